function Read-SkWorkFile {
    # Streams one file of the run's folder below the work folder of SQL Server as byte arrays of up to 256 KiB, in the form in
    # which Read-SkFile does: Int32 0, Int64 length, the bytes from Offset, SHA-256 of the whole file. Nobody may write to it meanwhile.
    [CmdletBinding()]
    param([string]$Root, [string]$Run, [string]$Name, [long]$Offset)
    trap { break }  # a failed .NET call would only end its statement
    if (-not $Run -or -not $Name) { throw 'SkInvalidName' }
    $file = Get-SkWorkFolder -Root $Root -Run $Run -Name $Name
    if (-not [IO.File]::Exists($file)) { throw 'SkNoFile' }
    $stream = New-Object IO.FileStream($file, [IO.FileMode]::Open, [IO.FileAccess]::Read, [IO.FileShare]::Read, 4096)
    try {
        $length = $stream.Length
        if ($Offset -lt 0 -or $Offset -gt $length) { throw 'SkInvalidOffset' }
        , [byte[]]([BitConverter]::GetBytes([int]0) + [BitConverter]::GetBytes($length))
        $hash = New-Object Security.Cryptography.SHA256Managed
        $block = New-Object byte[] 262144
        $at = [long]0
        while ($at -lt $length) {
            $want = $block.Length
            if ($at -lt $Offset) { $want = [int][Math]::Min([long]$want, $Offset - $at) }
            $got = $stream.Read($block, 0, $want)
            if ($got -eq 0) { throw 'SkFileChanged' }
            [void]$hash.TransformBlock($block, 0, $got, $block, 0)
            $at += $got
            if ($at -le $Offset) { continue }
            $part = New-Object byte[] $got
            [Array]::Copy($block, $part, $got)
            , $part
        }
        [void]$hash.TransformFinalBlock($block, 0, 0)
        , $hash.Hash
    } finally { $stream.Close() }
}
