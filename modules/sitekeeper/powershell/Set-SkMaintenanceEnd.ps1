function Set-SkMaintenanceEnd {
    # Gives the maintenance modes of a computer that carry the mark of a run another end (UTC, round-trip format): a later one
    # with Later, else an earlier one; and a new comment, if one is given. Modes that others began stay as they are.
    # What the computer contains has windows of its own, and Set-SCOMMaintenanceMode changes only the one that it is given.
    [CmdletBinding()]
    param([string]$Kind, [string]$Computer, [string]$Run, [string]$End, [string]$Comment, [bool]$Later)
    trap { break }  # a failed .NET call would only end its statement
    if ($Run -cnotmatch '\A[0-9a-z][0-9a-z-]{0,63}\z') { throw 'SkInvalidRun' }
    $until = [DateTime]::Parse($End, [Globalization.CultureInfo]::InvariantCulture, 'RoundtripKind').ToUniversalTime()
    $objects = @(Get-SkMonitored -Kind $Kind -Computer $Computer)
    if ($objects.Length) { $objects += @($objects[0].GetRelatedMonitoringObjects('Recursive')) }
    foreach ($one in $objects) {
        if (-not $one.InMaintenanceMode) { continue }
        $window = $one.GetMaintenanceWindow()
        $text = [string]$window.Comments
        if (-not $text.EndsWith(' [sitekeeper ' + $Run + ']')) { continue }
        if ($window.ScheduledEndTime -eq $until -or $Later -ne ($window.ScheduledEndTime -lt $until)) { continue }
        if ($Comment) { $text = $Comment }
        if ($Kind -eq 'scom') {
            $entry = Get-SCOMMaintenanceMode -Instance $one -ErrorAction Stop
            [void](Set-SCOMMaintenanceMode -MaintenanceModeEntry $entry -EndTime $until -Comment $text -ErrorAction Stop)
        } else {
            [void](Set-MaintenanceWindow -MonitoringObject $one -EndTime $until -Comment $text -ErrorAction Stop)
        }
    }
}
