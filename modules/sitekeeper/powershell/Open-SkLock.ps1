function Open-SkLock {
    # Opens the host's one lock for this process alone and keeps it open until Clear-SkFence: while it is held, the guard and
    # other runs can neither take nor renew the lease. A process that dies gives it up by dying. Answers whether it was had
    # within ten seconds; nobody has it longer than a change takes.
    [CmdletBinding()]
    param([string]$Drive)
    trap { break }  # a failed .NET call would only end its statement
    if ($global:SkLock) { return $true }  # left by a pipeline that was stopped: still ours
    $file = [IO.Path]::Combine((Get-SkFolder -Drive $Drive), 'lease.lock')
    for ($i = 0; $i -lt 40; $i++) {
        if ($i) { Start-Sleep -Milliseconds 250 }
        # Caught: a .NET exception ends its statement only, and the function would go on without the lock.
        try { $global:SkLock = [IO.File]::Open($file, 'OpenOrCreate', 'ReadWrite', 'None') } catch { }
        if ($global:SkLock) { return $true }
    }
    $false
}
