function Assert-SkLease {
    # The fence: first statement of every pipeline that changes something. Writes an error unless this process of this
    # run still holds the lease in this generation. Sent with -ErrorAction Stop, so that nothing after it runs (a throw would
    # not stop the next statement). Holds the lock until Clear-SkFence, the pipeline's last statement: the guard cannot take
    # the lease between the question and the change.
    [CmdletBinding()]
    param([string]$Drive, [string]$Run, [string]$Owner, [long]$Generation)
    trap { Clear-SkFence; break }  # a failed .NET call would only end its statement
    $root = Get-SkFolder -Drive $Drive
    $held = $null
    if ([IO.Directory]::Exists($root)) {
        if (-not (Open-SkLock -Drive $Drive)) {
            Write-Error -Message 'somebody else is changing this host just now' -ErrorId 'SkLeaseBusy' -Category ResourceBusy -TargetObject $Run
            return
        }
        $held = Read-SkLease -Drive $Drive
    }
    if (-not $held -or $held.Run -ne $Run -or $held.Owner -ne $Owner -or $held.Generation -ne $Generation -or $held.Expires -le [DateTime]::UtcNow) {
        Clear-SkFence
        Write-Error -Message ('lease lost: run ' + $Run + ' generation ' + $Generation) -ErrorId 'SkLeaseLost' -Category OperationStopped -TargetObject $Run
    }
}
