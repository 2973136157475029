function Read-SkLease {
    # The lease on this host as it is written down, or nothing. Reads only, beside whoever writes it just now (our own keeper
    # does, every twenty seconds): what is half written is read again.
    [CmdletBinding()]
    param([string]$Drive)
    trap { break }  # a failed .NET call would only end its statement
    $file = [IO.Path]::Combine((Get-SkFolder -Drive $Drive), 'lease.txt')
    $lines = @()
    for ($i = 0; $i -lt 20 -and $lines.Length -lt 4; $i++) {
        if ($i) { Start-Sleep -Milliseconds 100 }
        if (-not [IO.File]::Exists($file)) { return }
        try {
            $stream = New-Object IO.FileStream($file, [IO.FileMode]::Open, [IO.FileAccess]::Read, [IO.FileShare]'ReadWrite, Delete')
            try { $lines = (New-Object IO.StreamReader($stream)).ReadToEnd().Replace("`r", '').Split("`n") } finally { $stream.Close() }
        } catch [IO.IOException] { }
    }
    if ($lines.Length -lt 4) { return }
    $culture = [Globalization.CultureInfo]::InvariantCulture
    New-Object PSObject -Property @{
        Run = $lines[0]
        Owner = $lines[1]
        Generation = [long]$lines[2]
        Expires = [DateTime]::Parse($lines[3], $culture, [Globalization.DateTimeStyles]::RoundtripKind)
    }
}
