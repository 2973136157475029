function Complete-SkTaskBackup {
    # Ends what Save-SkTaskBackup began. Keep is previous: the backup that was put aside is back in its place, and what lies there
    # now goes. Keep is new: what was put aside goes, that of earlier runs too. Where nothing was put aside, nothing is touched.
    # Each step is a rename or a deletion of what carries a run's name, so that it can be cut off anywhere and done again.
    [CmdletBinding()]
    param([string]$Drive, [string]$Run, [string]$Keep)
    trap { break }  # a failed .NET call would only end its statement
    if (@('new', 'previous') -cnotcontains $Keep) { throw 'SkInvalidKeep' }
    $mark = Get-SkTaskMark -Drive $Drive -Run $Run
    if (-not $mark) { return }
    if (-not $mark.HasRoot) { throw 'SkNoDestination' }
    $todo = @()
    if ($Keep -eq 'previous') {
        if ($mark.HasArchive) {
            if ($mark.HasFolder) {
                if ($mark.HasRejected) { throw 'SkRejectedExists' }
                [IO.Directory]::Move($mark.Folder, $mark.Rejected)
            }
            [IO.Directory]::Move($mark.Archive, $mark.Folder)
        }
        if ([IO.Directory]::Exists($mark.Rejected)) { $todo += $mark.Rejected }
    } else {
        if (-not $mark.HasFolder) { throw 'SkNoBackup' }
        foreach ($one in [IO.Directory]::GetDirectories($mark.Root, ($mark.Site + 'Backup.sk-*'))) {
            if (-not ([int][IO.File]::GetAttributes($one) -band 1024)) { $todo += $one }
        }
    }
    $done = @()
    while ($todo.Length -gt 0) {
        $next = @()
        foreach ($one in $todo) {
            $done = @($one) + $done
            foreach ($file in [IO.Directory]::GetFiles($one)) {
                [IO.File]::SetAttributes($file, 'Normal')
                [IO.File]::Delete($file)
            }
            foreach ($child in [IO.Directory]::GetDirectories($one)) {
                $attributes = [int][IO.File]::GetAttributes($child)
                if ($attributes -band 1024) { [IO.Directory]::Delete($child) } else { $next += $child }
            }
        }
        $todo = $next
    }
    foreach ($one in $done) { [IO.Directory]::Delete($one) }
    Get-SkTaskMark -Drive $Drive -Run $Run
}
