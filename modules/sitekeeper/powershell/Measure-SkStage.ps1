function Measure-SkStage {
    # What a run has laid beside a site: a line for each file with its length, its SHA-256 and its path, read from the disk again.
    # Links are not followed and not listed.
    [CmdletBinding()]
    param([string]$Root, [string]$Run)
    trap { break }  # a failed .NET call would only end its statement
    if (-not $Run) { throw 'SkInvalidRun' }
    $top = Get-SkWorkFolder -Root $Root -Run $Run
    $todo = @()
    if ([IO.Directory]::Exists($top)) { $todo = @($top) }
    $block = New-Object byte[] 1048576
    while ($todo.Length -gt 0) {
        $next = @()
        foreach ($folder in $todo) {
            foreach ($child in [IO.Directory]::GetDirectories($folder)) {
                if (-not ([int][IO.File]::GetAttributes($child) -band 1024)) { $next += $child }
            }
            foreach ($file in [IO.Directory]::GetFiles($folder)) {
                if ([int][IO.File]::GetAttributes($file) -band 1024) { continue }
                $stream = New-Object IO.FileStream($file, [IO.FileMode]::Open, [IO.FileAccess]::Read, [IO.FileShare]::ReadWrite)
                try {
                    $hash = New-Object Security.Cryptography.SHA256Managed
                    $at = [long]0
                    while ($true) {
                        $got = $stream.Read($block, 0, $block.Length)
                        if ($got -eq 0) { break }
                        [void]$hash.TransformBlock($block, 0, $got, $block, 0)
                        $at += $got
                    }
                    [void]$hash.TransformFinalBlock($block, 0, 0)
                    $digest = [BitConverter]::ToString($hash.Hash).Replace('-', '')
                } finally { $stream.Close() }
                [string]$at + "`t" + $digest + "`t" + $file.Substring($top.Length + 1).Replace([IO.Path]::DirectorySeparatorChar, [char]92)
            }
        }
        $todo = $next
    }
}
