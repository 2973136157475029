function Get-SkWorkFile {
    # The files in a run's folder below the work folder of SQL Server, with their lengths; without Run the runs that have one.
    [CmdletBinding()]
    param([string]$Root, [string]$Run)
    trap { break }  # a failed .NET call would only end its statement
    $folder = Get-SkWorkFolder -Root $Root -Run $Run
    if (-not [IO.Directory]::Exists($folder)) { return }
    if (-not $Run) {
        foreach ($one in [IO.Directory]::GetDirectories($folder)) {
            $word = [IO.Path]::GetFileName($one)
            if ($word -cnotmatch '\A[0-9a-z][0-9a-z-]{0,63}\z') { continue }
            if ([int][IO.File]::GetAttributes($one) -band 1024) { continue }
            New-Object PSObject -Property @{ Name = $word; Length = [long]-1 }
        }
        return
    }
    foreach ($one in [IO.Directory]::GetFiles($folder)) {
        $file = New-Object IO.FileInfo($one)
        New-Object PSObject -Property @{ Name = $file.Name; Length = $file.Length }
    }
}
