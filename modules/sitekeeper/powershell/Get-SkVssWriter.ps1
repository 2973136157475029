function Get-SkVssWriter {
    # What vssadmin says of the VSS writers, as text; parsed by ids and numbers where it arrives.
    $global:LASTEXITCODE = -1
    $said = @(& vssadmin.exe list writers 2>&1 | ForEach-Object { [string]$_ })
    New-Object PSObject -Property @{ ExitCode = $LASTEXITCODE; Text = [string]::Join("`n", $said) }
}
