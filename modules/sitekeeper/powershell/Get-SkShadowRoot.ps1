function Get-SkShadowRoot {
    # The folder through which copy number Index of this run's shadow set is read; below 0 the folder that the site's own backup
    # task wrote, as this run's mark names it.
    [CmdletBinding()]
    param([string]$Drive, [string]$Run, [int]$Index)
    trap { break }  # a failed .NET call would only end its statement
    if ($Index -lt 0) {
        $mark = Get-SkTaskMark -Drive $Drive -Run $Run
        if (-not $mark -or -not $mark.HasFolder) { throw 'SkNoBackup' }
        return $mark.Folder
    }
    $folder = Get-SkFolder -Drive $Drive -Run $Run -Name 'shadow'
    $file = [IO.Path]::Combine($folder, 'mark.txt')
    if (-not [IO.File]::Exists($file)) { throw 'SkNoShadowSet' }
    foreach ($line in [IO.File]::ReadAllText($file).Replace("`r", '').Split("`n")) {
        $word = $line.Split(' ')
        if ($word[0] -eq 'share' -and $word[1] -eq [string]$Index) {
            return Get-SkNative -Path ('\\127.0.0.1\' + $word[2] + '$\@GMT-' + $word[3])
        }
    }
    $root = [IO.Path]::Combine($folder, [string]$Index)
    if (-not [IO.Directory]::Exists($root)) { throw 'SkNoShadowSet' }
    $root
}
