function Get-SkBackupTask {
    # The site's own backup task as its site control says: where it writes to, whether that folder exists (false where it is
    # none of a drive), and whether the task is scheduled. Asked of the SMS Provider on this host. The flag is called On in 2007 and Enabled since 2012.
    [CmdletBinding()]
    param([string]$Site)
    trap { break }  # a failed .NET call would only end its statement
    if ($Site -cnotmatch '\A[A-Z0-9]{3}\z') { throw 'SkInvalidSite' }
    $rows = @(Get-WmiObject -Class SMS_SCI_SQLTask -Namespace ('root\sms\site_' + $Site) -ErrorAction Stop)
    foreach ($row in $rows) {
        if ($row.ItemName -ne 'Backup SMS Site Server' -or $row.SiteCode -ne $Site) { continue }
        $on = [bool]$row.Enabled
        if ($row.On) { $on = $true }
        $where = ([string]$row.DeviceName).TrimEnd('\')
        $there = $false
        if ($where -match '\A[A-Za-z]:\\[^/*?"<>|:]+\z') {
            try { $there = [IO.Directory]::Exists((Get-SkNative -Path $where)) } catch { $there = $false }  # no such drive
        }
        New-Object PSObject -Property @{ Destination = $where; Enabled = $on; Exists = $there }
    }
}
