function Read-SkFile {
    # Streams files of this run's shadow copy as byte arrays of up to 256 KiB. In the stream, file after file:
    #   Int32 number (place in Path), Int64 length, the bytes from Offset (of the first file; 0 of the others), SHA-256 of the whole file;
    # or, when a file cannot be read: Int32 number, Int64 -1, Int32 count, UTF-8 text. Numbers are little-endian.
    # A file that is shorter or longer at its end than when it was opened ends the stream with an error.
    [CmdletBinding()]
    param([string]$Drive, [string]$Run, [int]$Index, [string[]]$Path, [long]$Offset)
    trap { break }  # a failed .NET call would only end its statement
    $root = Get-SkShadowRoot -Drive $Drive -Run $Run -Index $Index
    $block = New-Object byte[] 262144
    $fill = 0
    $links = @{}
    for ($number = 0; $number -lt $Path.Length; $number++) {
        $name = $Path[$number]
        if ($name -match '(^|\\)\.\.(\\|$)' -or $name -match '[:/*?"<>|]' -or $name.StartsWith('\')) { throw 'SkInvalidPath' }
        $stream = $null
        $failure = ''
        try {
            # A link on the way, or in the file's place, would lead out of the copy.
            $above = $root
            foreach ($word in $name.Split('\')) {
                $above = [IO.Path]::Combine($above, $word)
                if (-not $links.ContainsKey($above)) {
                    $there = [IO.File]::Exists($above) -or [IO.Directory]::Exists($above)
                    $links[$above] = $there -and ([int][IO.File]::GetAttributes($above) -band 1024)
                }
                if ($links[$above]) { throw (New-Object InvalidOperationException) }
            }
            $native = [IO.Path]::Combine($root, $name.Replace('\', [IO.Path]::DirectorySeparatorChar))
            $stream = New-Object IO.FileStream($native, [IO.FileMode]::Open, [IO.FileAccess]::Read, [IO.FileShare]::ReadWrite, 4096)
        } catch { $failure = $_.Exception.GetBaseException().GetType().Name }
        $length = [long]-1
        if ($stream) { $length = $stream.Length }
        $head = [BitConverter]::GetBytes([int]$number) + [BitConverter]::GetBytes($length)
        if (-not $stream) {
            $text = [Text.Encoding]::UTF8.GetBytes($failure)
            $head = $head + [BitConverter]::GetBytes([int]$text.Length) + $text
        }
        if ($fill + $head.Length -gt $block.Length) {
            $part = New-Object byte[] $fill
            [Array]::Copy($block, $part, $fill)
            , $part
            $fill = 0
        }
        [Array]::Copy($head, 0, $block, $fill, $head.Length)
        $fill += $head.Length
        if (-not $stream) { continue }
        try {
            $hash = New-Object Security.Cryptography.SHA256Managed
            $skip = [long]0
            if ($number -eq 0) { $skip = $Offset }
            $at = [long]0
            while ($at -lt $length) {
                if ($fill -eq $block.Length) { , $block; $block = New-Object byte[] 262144; $fill = 0 }
                $want = $block.Length - $fill
                if ($at -lt $skip) { $want = [int][Math]::Min([long]$want, $skip - $at) }
                $got = $stream.Read($block, $fill, $want)
                if ($got -eq 0) { throw 'SkFileChanged' }
                [void]$hash.TransformBlock($block, $fill, $got, $block, $fill)
                $at += $got
                if ($at -gt $skip) { $fill += $got }
            }
            [void]$hash.TransformFinalBlock($block, 0, 0)
            $digest = $hash.Hash
        } finally { $stream.Close() }
        if ($fill + 32 -gt $block.Length) {
            $part = New-Object byte[] $fill
            [Array]::Copy($block, $part, $fill)
            , $part
            $fill = 0
        }
        [Array]::Copy($digest, 0, $block, $fill, 32)
        $fill += 32
    }
    if ($fill -gt 0) {
        $part = New-Object byte[] $fill
        [Array]::Copy($block, $part, $fill)
        , $part
    }
}
