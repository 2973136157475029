function Get-SkTaskMark {
    # What this run wrote down of the site's backup task before it touched anything: the destination, and whether it started the
    # task (0: perhaps), in which process; and which of the folders there exist. Nothing when there is no mark.
    # Folder is what the task writes, Archive what was there before, under the run's name, Rejected a backup that was not proven good.
    [CmdletBinding()]
    param([string]$Drive, [string]$Run)
    trap { break }  # a failed .NET call would only end its statement
    if (-not $Run) { throw 'SkInvalidRun' }
    $place = Get-SkFolder -Drive $Drive -Run $Run -Name 'task'
    $file = [IO.Path]::Combine($place, 'mark.txt')
    if (-not [IO.File]::Exists($file)) { return }
    $site = ''
    $destination = ''
    foreach ($line in [IO.File]::ReadAllText($file).Replace("`r", '').Split("`n")) {
        $at = $line.Split(' ')
        if ($at[0] -eq 'site') { $site = $line.Substring(5) }
        if ($at[0] -eq 'destination') { $destination = $line.Substring(12) }
    }
    if ($site -cnotmatch '\A[A-Z0-9]{3}\z' -or $destination -notmatch '\A[A-Za-z]:\\[^/*?"<>|:]+\z' -or $destination -match '(^|\\)\.\.(\\|$)') { throw 'SkInvalidMark' }
    $started = [long]-1
    if ([IO.File]::Exists([IO.Path]::Combine($place, 'starting.txt'))) { $started = [long]0 }
    $file = [IO.Path]::Combine($place, 'started.txt')
    if ($started -eq 0 -and [IO.File]::Exists($file)) { $started = [long][IO.File]::ReadAllText($file) }
    $root = Get-SkNative -Path $destination
    $folder = [IO.Path]::Combine($root, ($site + 'Backup'))
    $archive = [IO.Path]::Combine($root, ($site + 'Backup.sk-' + $Run))
    $rejected = [IO.Path]::Combine($root, ($site + 'Backup.sk-' + $Run + '.rejected'))
    New-Object PSObject -Property @{
        Site = $site; Destination = $destination; Root = $root; Folder = $folder; Archive = $archive; Rejected = $rejected; Started = $started
        HasRoot = [IO.Directory]::Exists($root); HasFolder = [IO.Directory]::Exists($folder)
        HasArchive = [IO.Directory]::Exists($archive); HasRejected = [IO.Directory]::Exists($rejected)
    }
}
