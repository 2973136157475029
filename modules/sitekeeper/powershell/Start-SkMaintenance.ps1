function Start-SkMaintenance {
    # Puts computers into maintenance mode for some minutes; the comment ends with our mark. A mode that somebody else began stays
    # as it is; our own, and what is left of one that an earlier run let end, goes on. Answers as Get-SkMaintenance.
    # Refuses to act after a moment of this server's clock: a control host that was suspended between asking whether it
    # may and sending this must not act hours later.
    # scom: Start-SCOMMaintenanceMode takes the computer's Health Service and Watcher along. 2007: they are put in, too.
    [CmdletBinding()]
    param([string]$Kind, [string[]]$Computer, [int]$Minutes, [string]$Comment, [string]$Run, [string]$NotAfter)
    trap { break }  # a failed .NET call would only end its statement
    if ($null -eq $Computer) { $Computer = @() }  # or 2.0 goes once through its foreach, with nothing
    if ($Minutes -lt 5 -or $Minutes -gt 1051200) { throw 'SkInvalidDuration' }
    if ($Run -cnotmatch '\A[0-9a-z][0-9a-z-]{0,63}\z') { throw 'SkInvalidRun' }
    $now = [DateTime]::UtcNow
    if ($now -gt [DateTime]::Parse($NotAfter, [Globalization.CultureInfo]::InvariantCulture, 'RoundtripKind').ToUniversalTime()) { throw 'SkTooLate' }
    $end = $now.AddMinutes($Minutes)
    $text = $Comment + ' [sitekeeper ' + $Run + ']'
    foreach ($name in $Computer) {
        $objects = @(Get-SkMonitored -Kind $Kind -Computer $name)
        if ($objects.Length -eq 0) { throw 'SkNotMonitored' }
        if ($objects[0].InMaintenanceMode) {
            $window = $objects[0].GetMaintenanceWindow()
            $ours = [regex]::Match([string]$window.Comments, ' \[sitekeeper ([0-9a-z][0-9a-z-]{0,63})\]\z')
            $other = $ours.Groups[1].Value
            if ($ours.Success -and ($other -eq $Run -or $window.ScheduledEndTime -le $now.AddMinutes(1))) {
                Set-SkMaintenanceEnd -Kind $Kind -Computer $name -Run $other -End $end.ToString('o') -Comment $text -Later $true
            }
            continue
        }
        if ($Kind -eq 'scom') {
            [void](Start-SCOMMaintenanceMode -Instance $objects[0] -EndTime $end -Reason 'PlannedOther' -Comment $text -ErrorAction Stop)
            continue
        }
        foreach ($one in $objects) {
            if (-not $one.InMaintenanceMode) {
                [void](New-MaintenanceWindow -StartTime $now -EndTime $end -MonitoringObject $one -Reason 'PlannedOther' -Comment $text -ErrorAction Stop)
            }
        }
    }
    Get-SkMaintenance -Kind $Kind -Computer $Computer
}
