function Assert-SkLease {
    # The fence: first statement of every pipeline that changes something. Writes an error unless this process of this
    # run still holds the lease in this generation. Sent with -ErrorAction Stop, so that nothing after it runs (a throw would
    # not stop the next statement).
    [CmdletBinding()]
    param([string]$Drive, [string]$Run, [string]$Owner, [long]$Generation)
    trap { break }  # a failed .NET call would only end its statement
    $held = Read-SkLease -Drive $Drive
    if (-not $held -or $held.Run -ne $Run -or $held.Owner -ne $Owner -or $held.Generation -ne $Generation -or $held.Expires -le [DateTime]::UtcNow) {
        Write-Error -Message ('lease lost: run ' + $Run + ' generation ' + $Generation) -ErrorId 'SkLeaseLost' -Category OperationStopped -TargetObject $Run
    }
}
