function Measure-SkWorkFile {
    # Length and SHA-256 of files of the run's folder below the work folder of SQL Server, read from the disk again. A sign
    # of life with an empty hash after every 2 GiB. A file that is not there is left out.
    [CmdletBinding()]
    param([string]$Root, [string]$Run, [string[]]$Name)
    trap { break }  # a failed .NET call would only end its statement
    if ($null -eq $Name) { $Name = @() }  # or 2.0 goes once through its foreach, with nothing
    $block = New-Object byte[] 1048576
    foreach ($one in $Name) {
        if (-not $Run -or -not $one) { throw 'SkInvalidName' }
        $file = Get-SkWorkFolder -Root $Root -Run $Run -Name $one
        if (-not [IO.File]::Exists($file)) { continue }
        $stream = New-Object IO.FileStream($file, [IO.FileMode]::Open, [IO.FileAccess]::Read, [IO.FileShare]::ReadWrite)
        try {
            $hash = New-Object Security.Cryptography.SHA256Managed
            $at = [long]0
            $told = [long]0
            while ($true) {
                $got = $stream.Read($block, 0, $block.Length)
                if ($got -eq 0) { break }
                [void]$hash.TransformBlock($block, 0, $got, $block, 0)
                $at += $got
                if ($at - $told -ge 2147483648) {
                    $told = $at
                    New-Object PSObject -Property @{ Name = $one; Length = $at; Sha256 = [byte[]]@() }
                }
            }
            [void]$hash.TransformFinalBlock($block, 0, 0)
            New-Object PSObject -Property @{ Name = $one; Length = $at; Sha256 = $hash.Hash }
        } finally { $stream.Close() }
    }
}
