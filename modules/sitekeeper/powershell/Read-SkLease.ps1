function Read-SkLease {
    # The lease on this host as it is written down, or nothing. Reads only.
    [CmdletBinding()]
    param([string]$Drive)
    trap { break }  # a failed .NET call would only end its statement
    $file = [IO.Path]::Combine((Get-SkFolder -Drive $Drive), 'lease.txt')
    if (-not [IO.File]::Exists($file)) { return }
    $lines = [IO.File]::ReadAllText($file).Replace("`r", '').Split("`n")
    if ($lines.Length -lt 4) { return }
    $culture = [Globalization.CultureInfo]::InvariantCulture
    New-Object PSObject -Property @{
        Run = $lines[0]
        Owner = $lines[1]
        Generation = [long]$lines[2]
        Expires = [DateTime]::Parse($lines[3], $culture, [Globalization.DateTimeStyles]::RoundtripKind)
    }
}
