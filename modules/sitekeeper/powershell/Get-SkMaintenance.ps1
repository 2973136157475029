function Get-SkMaintenance {
    # For each computer: under how many objects Operations Manager knows it (0: not at all), whether it is in maintenance
    # mode, how many of the objects are, until when (UTC) and by whose comment; and this server's clock. Reads only.
    [CmdletBinding()]
    param([string]$Kind, [string[]]$Computer)
    trap { break }  # a failed .NET call would only end its statement
    if ($null -eq $Computer) { $Computer = @() }  # or 2.0 goes once through its foreach, with nothing
    foreach ($name in $Computer) {
        $objects = @(Get-SkMonitored -Kind $Kind -Computer $name)
        $inside = @($objects | Where-Object { $_.InMaintenanceMode })
        $on = $objects.Length -gt 0 -and $objects[0].InMaintenanceMode
        $until = ''
        $comment = ''
        if ($on) {
            # The SDK's times are UTC, and do not say so.
            $window = $objects[0].GetMaintenanceWindow()
            $until = [DateTime]::SpecifyKind($window.ScheduledEndTime, 'Utc').ToString('o')
            $comment = [string]$window.Comments
        }
        New-Object PSObject -Property @{ Computer = $name; Objects = $objects.Length; On = [bool]$on; Inside = $inside.Length; Until = $until; Comment = $comment; Now = [DateTime]::UtcNow.ToString('o') }
    }
}
