function Enter-SkLease {
    # Takes the site's lease for a run and answers its generation, one more than the last. A lease that another run
    # holds and that has not expired by this host's own clock is refused (SkLeaseHeld).
    [CmdletBinding()]
    param([string]$Drive, [string]$Run, [string]$Owner, [int]$Seconds, [long]$AtLeast)
    trap { break }  # a failed .NET call would only end its statement
    $folder = Get-SkFolder -Drive $Drive -Run $Run
    Protect-SkFolder -Drive $Drive
    $root = Get-SkFolder -Drive $Drive
    if (-not (Open-SkLock -Drive $Drive)) {
        Write-Error -Message 'somebody else is changing this host just now' -ErrorId 'SkLeaseBusy' -Category ResourceBusy -TargetObject $Run
        return
    }
    try {
        $now = [DateTime]::UtcNow
        $held = Read-SkLease -Drive $Drive
        if ($held -and $held.Run -ne $Run -and $held.Expires -gt $now) {
            Write-Error -Message ('lease held: run ' + $held.Run + ' owner ' + $held.Owner + ' until ' + $held.Expires.ToString('o')) -ErrorId 'SkLeaseHeld' -Category ResourceBusy -TargetObject $held.Run
            return
        }
        # The newest that anybody wrote down: a counter that a full disk or a power loss emptied must not go back.
        $generation = [long]0
        $counter = [IO.Path]::Combine($root, 'generation.txt')
        if ([IO.File]::Exists($counter)) { $generation = [long][IO.File]::ReadAllText($counter).Trim() }
        if ($held) { $generation = [Math]::Max($generation, $held.Generation) }
        if ($held -and $held.Run -eq $Run) { $generation = $held.Generation - 1 }
        $generation = [Math]::Max($generation + 1, $AtLeast)
        [IO.File]::WriteAllText($counter, [string]$generation)
        $expires = $now.AddSeconds($Seconds)
        $lines = @($Run, $Owner, [string]$generation, $expires.ToString('o'))
        [IO.File]::WriteAllText([IO.Path]::Combine($root, 'lease.txt'), [string]::Join("`r`n", $lines))
        [void][IO.Directory]::CreateDirectory($folder)
        New-Object PSObject -Property @{ Run = $Run; Generation = $generation; Expires = $expires.ToString('o') }
    } finally { Clear-SkFence }
}
