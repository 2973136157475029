function Export-SkRegistry {
    # Exports one of the site's registry keys, in one view, into the run's work folder with reg.exe.
    # Name is SMS or NAL; View is native or wow (what 32-bit programs see on a 64-bit Windows).
    [CmdletBinding()]
    param([string]$Drive, [string]$Run, [string]$Name, [string]$View)
    trap { break }  # a failed .NET call would only end its statement
    if (@('SMS', 'NAL') -cnotcontains $Name) { throw 'SkInvalidName' }
    if (@('native', 'wow') -cnotcontains $View) { throw 'SkInvalidView' }
    $branch = 'SOFTWARE\Microsoft\' + $Name
    if ($View -eq 'wow') { $branch = 'SOFTWARE\Wow6432Node\Microsoft\' + $Name }
    $folder = Get-SkFolder -Drive $Drive -Run $Run -Name 'registry'
    Protect-SkFolder -Drive $Drive
    [void][IO.Directory]::CreateDirectory($folder)
    $file = [IO.Path]::Combine($folder, ($Name.ToLower() + '.' + $View + '.reg'))
    if ([IO.File]::Exists($file)) { [IO.File]::Delete($file) }
    if (-not (Test-Path -LiteralPath ('HKLM:\' + $branch))) {
        New-Object PSObject -Property @{ Name = $Name; View = $View; Found = $false; Bytes = [long]0; ExitCode = 0 }
        return
    }
    $global:LASTEXITCODE = -1
    $said = & reg.exe export ('HKLM\' + $branch) $file 2>&1
    $code = $LASTEXITCODE
    $bytes = [long]0
    if ([IO.File]::Exists($file)) { $bytes = (New-Object IO.FileInfo($file)).Length }
    if ($code -ne 0 -or $bytes -eq 0) {
        Write-Error -Message ('reg.exe export HKLM\' + $branch + ' ended with ' + $code + ': ' + ($said -join ' ')) -ErrorId 'SkRegistryExport' -Category WriteError -TargetObject $Name
        return
    }
    New-Object PSObject -Property @{ Name = $Name; View = $View; Found = $true; Bytes = $bytes; ExitCode = $code }
}
