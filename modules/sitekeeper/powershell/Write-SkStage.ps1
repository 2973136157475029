function Write-SkStage {
    # Lays files beside a site: each Entry is a length, a tab and a path; their bytes stand one behind the other in Data. A length
    # of -1 makes a folder. The first file is written from Offset on and ends behind its bytes, so that a large one comes in parts and a
    # part that is sent again comes to the same. Answers how many bytes were written.
    [CmdletBinding()]
    param([string]$Root, [string]$Run, [string[]]$Entry, [long]$Offset, [byte[]]$Data)
    trap { break }  # a failed .NET call would only end its statement
    if ($null -eq $Entry) { $Entry = @() }  # or 2.0 goes once through its foreach, with nothing
    $all = 0
    if ($Data) { $all = $Data.Length }
    $at = 0
    $skip = $Offset
    foreach ($one in $Entry) {
        $tab = $one.IndexOf("`t")
        if ($tab -lt 1) { throw 'SkInvalidEntry' }
        $length = [int]$one.Substring(0, $tab)
        $file = Get-SkStagePath -Root $Root -Run $Run -Path $one.Substring($tab + 1)
        if ($length -lt 0) {
            [void][IO.Directory]::CreateDirectory($file)
            continue
        }
        if ($at + $length -gt $all) { throw 'SkInvalidEntry' }
        [void][IO.Directory]::CreateDirectory([IO.Path]::GetDirectoryName($file))
        $stream = New-Object IO.FileStream($file, [IO.FileMode]::OpenOrCreate, [IO.FileAccess]::Write, [IO.FileShare]::Read)
        try {
            if ($skip -lt 0 -or $skip -gt $stream.Length) { throw 'SkInvalidOffset' }
            $stream.SetLength($skip)
            [void]$stream.Seek($skip, 'Begin')
            if ($length -gt 0) { $stream.Write($Data, $at, $length) }
            $stream.Flush()
        } finally { $stream.Close() }
        $at += $length
        $skip = [long]0
    }
    if ($at -ne $all) { throw 'SkInvalidEntry' }
    $at
}
