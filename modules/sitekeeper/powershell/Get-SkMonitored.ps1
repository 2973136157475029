function Get-SkMonitored {
    # The objects under which Operations Manager knows a computer: itself, its Health Service and its Health Service
    # Watcher, in this order; nothing for one that is not monitored. Loads the cmdlets of that generation (scom: 2012 and
    # later) and connects to the management group of this server. Reads only.
    [CmdletBinding()]
    param([string]$Kind, [string]$Computer)
    trap { break }  # a failed .NET call would only end its statement
    if ($Kind -cnotmatch '\A(scom|opsmgr2007)\z') { throw 'SkInvalidKind' }
    if ($Computer -notmatch '\A[a-z0-9][a-z0-9_.-]{0,254}\z') { throw 'SkInvalidComputer' }
    $names = @('Microsoft.Windows.Computer', 'Microsoft.SystemCenter.HealthService', 'Microsoft.SystemCenter.HealthServiceWatcher')
    if ($Kind -eq 'scom') {
        if (-not (Get-Command -Name 'Get-SCOMClass' -ErrorAction SilentlyContinue)) { Import-Module -Name 'OperationsManager' -ErrorAction Stop }
        if (-not @(Get-SCOMManagementGroupConnection)) { [void](New-SCOMManagementGroupConnection -ComputerName 'localhost' -ErrorAction Stop) }
        foreach ($name in $names) {
            $class = Get-SCOMClass -Name $name -ErrorAction Stop
            Get-SCOMClassInstance -Class $class -ErrorAction Stop | Where-Object { $_.DisplayName -eq $Computer }
        }
        return
    }
    if (-not (Get-Command -Name 'Get-MonitoringClass' -ErrorAction SilentlyContinue)) { Add-PSSnapin -Name 'Microsoft.EnterpriseManagement.OperationsManager.Client' -ErrorAction Stop }
    # These cmdlets work on the management group in which the session's location is; it stays there.
    Set-Location -Path 'OperationsManagerMonitoring::' -ErrorAction Stop
    if (-not @(Get-ManagementGroupConnection)) { [void](New-ManagementGroupConnection -ConnectionString 'localhost' -ErrorAction Stop) }
    Set-Location -Path 'localhost' -ErrorAction Stop
    $class = Get-MonitoringClass -Name $names[0] -ErrorAction Stop
    $found = Get-MonitoringObject -MonitoringClass $class -Criteria ("PrincipalName='" + $Computer + "'") -ErrorAction Stop
    if ($found) {
        $found
        $found.GetRelatedMonitoringObjects((Get-MonitoringClass -Name $names[1] -ErrorAction Stop))
        $class = Get-MonitoringClass -Name $names[2] -ErrorAction Stop
        Get-MonitoringObject -MonitoringClass $class -Criteria ("HealthServiceName='" + $Computer + "'") -ErrorAction Stop
    }
}
