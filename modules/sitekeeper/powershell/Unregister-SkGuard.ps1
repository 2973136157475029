function Unregister-SkGuard {
    # Deletes a guard: its task or tasks, then its folder. Under the lock, and not while it is at work: the lease is its own
    # then, and it goes by itself (SkGuardActing). Twice does no harm.
    [CmdletBinding()]
    param([string]$Drive, [string]$Run, [int]$Number)
    trap { Clear-SkFence; break }  # a failed .NET call would only end its statement
    if (-not $Run) { throw 'SkInvalidRun' }
    $name = 'sitekeeper-' + $Run + '-' + $Number
    $parent = Get-SkFolder -Drive $Drive -Run $Run -Name 'guard'
    $folder = [IO.Path]::Combine($parent, [string]$Number)
    $there = [IO.Directory]::Exists($folder)
    if ($there -and -not (Open-SkLock -Drive $Drive)) {
        Write-Error -Message 'somebody else is changing this host just now' -ErrorId 'SkLeaseBusy' -Category ResourceBusy -TargetObject $Run
        return
    }
    if ([IO.File]::Exists([IO.Path]::Combine($folder, 'acting.txt')) -and -not [IO.File]::Exists([IO.Path]::Combine($folder, 'done.txt'))) {
        Clear-SkFence
        Write-Error -Message ('the guard is at work, and goes by itself: ' + $name) -ErrorId 'SkGuardActing' -Category ResourceBusy -TargetObject $name
        return
    }
    foreach ($task in @($name, ($name + '-start'))) { [void](& schtasks.exe /delete /tn $task /f 2>&1) }
    $guard = Test-SkGuard -Drive $Drive -Run $Run -Number $Number
    if ($guard.Registered) {
        Clear-SkFence
        Write-Error -Message ('task still there: ' + $name) -ErrorId 'SkGuardLeft' -Category ResourceBusy -TargetObject $name
        return
    }
    if (-not $there) { return }
    # The script first: one that is running looks for itself before it acts.
    [IO.File]::Delete([IO.Path]::Combine($folder, 'guard.cmd'))
    for ($i = 1; [IO.Directory]::Exists($folder); $i++) {
        # One that is running has its files open for a moment, as a virus scanner has.
        try { [IO.Directory]::Delete($folder, $true) } catch { if ($i -ge 20) { throw } ; Start-Sleep -Milliseconds 250 }
    }
    if ([IO.Directory]::GetFileSystemEntries($parent).Length -eq 0) { [IO.Directory]::Delete($parent) }
    Clear-SkFence
}
