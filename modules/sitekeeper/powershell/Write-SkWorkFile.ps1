function Write-SkWorkFile {
    # Writes the bytes of Data at Offset into a file of the run's folder below the work folder of SQL Server, and ends the file
    # behind them. Sent again with the same Offset it comes to the same file. Answers the file's new length.
    [CmdletBinding()]
    param([string]$Root, [string]$Run, [string]$Name, [long]$Offset, [byte[]]$Data)
    trap { break }  # a failed .NET call would only end its statement
    if (-not $Run -or -not $Name) { throw 'SkInvalidName' }
    $folder = Get-SkWorkFolder -Root $Root -Run $Run
    $file = Get-SkWorkFolder -Root $Root -Run $Run -Name $Name
    [void][IO.Directory]::CreateDirectory($folder)
    $stream = New-Object IO.FileStream($file, [IO.FileMode]::OpenOrCreate, [IO.FileAccess]::Write, [IO.FileShare]::Read)
    try {
        if ($Offset -lt 0 -or $Offset -gt $stream.Length) { throw 'SkInvalidOffset' }
        $stream.SetLength($Offset)
        [void]$stream.Seek($Offset, 'Begin')
        if ($Data) { $stream.Write($Data, 0, $Data.Length) }
        $stream.Flush()
        $length = $stream.Length
    } finally { $stream.Close() }
    $length
}
