function Read-SkTaskLog {
    # The log of the site's backup task from an offset on, at most 64 KiB, as ASCII: what is judged in it are numbers.
    # Path is the install folder, relative to the drive's root. A log that is shorter than the offset was begun anew: it is read
    # from its start. An offset below 0 asks for the length alone.
    [CmdletBinding()]
    param([string]$Drive, [string]$Path, [long]$Offset)
    trap { break }  # a failed .NET call would only end its statement
    if ($Drive -cnotmatch '^[A-Z]$') { throw 'SkInvalidDrive' }
    if ($Path -match '(^|\\)\.\.(\\|$)' -or $Path -match '[:/*?"<>|]' -or $Path.StartsWith('\')) { throw 'SkInvalidPath' }
    $start = Get-SkNative -Path ($Drive + ':\' + $Path)
    $length = [long]0
    $from = $Offset
    $text = ''
    foreach ($folder in @('logs', 'Logs')) {
        $file = [IO.Path]::Combine([IO.Path]::Combine($start, $folder), 'smsbkup.log')
        if (-not [IO.File]::Exists($file) -or $length -gt 0) { continue }
        $stream = New-Object IO.FileStream($file, [IO.FileMode]::Open, [IO.FileAccess]::Read, [IO.FileShare]::ReadWrite, 4096)
        try {
            $length = $stream.Length
            if ($from -gt $length) { $from = [long]0 }
            if ($from -ge 0) {
                [void]$stream.Seek($from, [IO.SeekOrigin]::Begin)
                $block = New-Object byte[] 65536
                $got = $stream.Read($block, 0, $block.Length)
                $text = [Text.Encoding]::ASCII.GetString($block, 0, $got)
            }
        } finally { $stream.Close() }
    }
    New-Object PSObject -Property @{ Length = $length; From = $from; Text = $text }
}
