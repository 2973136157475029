function Stop-SkMaintenance {
    # Lets maintenance modes that carry the mark of a run end in a minute; those of others stay as they are. Twice does no
    # harm. Answers as Get-SkMaintenance. Refuses to act after a moment of this server's clock, as Start-SkMaintenance does.
    [CmdletBinding()]
    param([string]$Kind, [string[]]$Computer, [string]$Run, [string]$NotAfter)
    trap { break }  # a failed .NET call would only end its statement
    if ($null -eq $Computer) { $Computer = @() }  # or 2.0 goes once through its foreach, with nothing
    $now = [DateTime]::UtcNow
    if ($now -gt [DateTime]::Parse($NotAfter, [Globalization.CultureInfo]::InvariantCulture, 'RoundtripKind').ToUniversalTime()) { throw 'SkTooLate' }
    foreach ($name in $Computer) {
        Set-SkMaintenanceEnd -Kind $Kind -Computer $name -Run $Run -End $now.AddMinutes(1).ToString('o') -Comment '' -Later $false
    }
    Get-SkMaintenance -Kind $Kind -Computer $Computer
}
