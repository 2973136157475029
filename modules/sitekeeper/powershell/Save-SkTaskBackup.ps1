function Save-SkTaskBackup {
    # Puts the previous backup of the site's task aside, beside itself and under this run's name, because the task begins by
    # deleting it. The destination is looked up here, and written down first: whatever is done later goes by what is written.
    # Twice does no harm. Answers the mark.
    [CmdletBinding()]
    param([string]$Drive, [string]$Run, [string]$Site)
    trap { break }  # a failed .NET call would only end its statement
    if (-not $Run) { throw 'SkInvalidRun' }
    $place = Get-SkFolder -Drive $Drive -Run $Run -Name 'task'
    Protect-SkFolder -Drive $Drive
    $mark = Get-SkTaskMark -Drive $Drive -Run $Run
    if (-not $mark) {
        $found = @(Get-SkBackupTask -Site $Site)
        $where = @()
        foreach ($one in $found) {
            if ($where -notcontains $one.Destination) { $where += $one.Destination }
        }
        if ($where.Length -ne 1) { throw 'SkNoDestination' }
        if ($where[0] -notmatch '\A[A-Za-z]:\\[^/*?"<>|:]+\z' -or $where[0] -match '(^|\\)\.\.(\\|$)') { throw 'SkInvalidDestination' }
        [void][IO.Directory]::CreateDirectory($place)
        $file = [IO.Path]::Combine($place, 'mark.txt')
        [IO.File]::WriteAllText(($file + '.new'), ('site ' + $Site + "`r`n" + 'destination ' + $where[0] + "`r`n"), [Text.Encoding]::Unicode)
        [IO.File]::Move(($file + '.new'), $file)
        $mark = Get-SkTaskMark -Drive $Drive -Run $Run
    }
    if ($mark.Site -cne $Site) { throw 'SkInvalidMark' }
    if (-not $mark.HasRoot) { throw 'SkNoDestination' }
    # Behind a link lies what nobody looked at.
    foreach ($one in @($mark.Root, $mark.Folder)) {
        if ([IO.Directory]::Exists($one) -and ([int][IO.File]::GetAttributes($one) -band 1024)) { throw 'SkLinkInPath' }
    }
    # Somebody else's run of the task writes there now.
    $service = @(Get-SkState -Service 'SMS_SITE_BACKUP')[0]
    if ($service.State -ne 'Stopped') { throw 'SkTaskRuns' }
    if ($mark.HasFolder -and -not $mark.HasArchive -and $mark.Started -lt 0) { [IO.Directory]::Move($mark.Folder, $mark.Archive) }
    Get-SkTaskMark -Drive $Drive -Run $Run
}
