function Send-SkBeat {
    # Says that the run is alive: renews its lease and drops the beat file that its guards (Number 0: all of them) count from.
    # Answers which guards it was for, and which of them had not taken the beat before this one.
    # A change of ours may have the lock for long. Its guard cannot act meanwhile, but it counts: then the beat is dropped, and
    # the lease is renewed next time. A lease that is still written down as ours has not been anybody else's: that it has run
    # out by this host's clock, which somebody may have set, is no reason to fall silent.
    [CmdletBinding()]
    param([string]$Drive, [string]$Run, [string]$Owner, [long]$Generation, [int]$Seconds, [int]$Number)
    trap { Clear-SkFence; break }  # a failed .NET call would only end its statement
    if (-not $Run) { throw 'SkInvalidRun' }
    $root = Get-SkFolder -Drive $Drive
    $held = $null
    $locked = $false
    if ([IO.Directory]::Exists($root)) {
        $locked = Open-SkLock -Drive $Drive
        $held = Read-SkLease -Drive $Drive
    }
    if (-not $held -or $held.Run -ne $Run -or $held.Owner -ne $Owner -or $held.Generation -ne $Generation) {
        Clear-SkFence
        if (-not $locked -and [IO.Directory]::Exists($root)) {
            # Whoever has the lock may be writing the lease at this moment.
            Write-Error -Message 'somebody else is changing this host just now' -ErrorId 'SkLeaseBusy' -Category ResourceBusy -TargetObject $Run
            return
        }
        Write-Error -Message ('lease lost: run ' + $Run + ' generation ' + $Generation) -ErrorId 'SkLeaseLost' -Category OperationStopped -TargetObject $Run
        return
    }
    $expires = $held.Expires
    if ($locked) {
        $expires = [DateTime]::UtcNow.AddSeconds($Seconds)
        $lines = @($held.Run, $held.Owner, [string]$Generation, $expires.ToString('o'))
        [IO.File]::WriteAllText([IO.Path]::Combine($root, 'lease.txt'), [string]::Join("`r`n", $lines))
    }
    $guards = @()
    $waiting = @()
    $folder = Get-SkFolder -Drive $Drive -Run $Run -Name 'guard'
    if ([IO.Directory]::Exists($folder)) {
        $numbers = @([IO.Directory]::GetDirectories($folder) | ForEach-Object { [int][IO.Path]::GetFileName($_) } | Sort-Object)
        foreach ($one in $numbers) {
            $own = [IO.Path]::Combine($folder, [string]$one)
            if (($Number -and $one -ne $Number) -or -not [IO.File]::Exists([IO.Path]::Combine($own, 'guard.cmd'))) { continue }
            $beat = [IO.Path]::Combine($own, 'beat.txt')
            if ([IO.File]::Exists($beat)) { $waiting += $one }
            [IO.File]::WriteAllText($beat, 'beat', [Text.Encoding]::ASCII)
            $guards += $one
        }
    }
    Clear-SkFence
    New-Object PSObject -Property @{ Renewed = $locked; Expires = $expires.ToString('o'); Guards = $guards; Waiting = $waiting }
}
