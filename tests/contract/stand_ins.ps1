# What a Linux PowerShell lacks of Windows, for one lab host: WMI, the registry, access lists and native tools, all
# answered by the lab's own process over a copy of the host's folder; and drives that are folders.
param([string]$HostFolder, [string]$Python)

$script:Process = New-Object Diagnostics.Process
$start = New-Object Diagnostics.ProcessStartInfo($Python)
foreach ($one in @('-m', 'sitekeeper.lab.windows.native', $HostFolder, '--serve')) { $start.ArgumentList.Add($one) }
$start.RedirectStandardInput = $true
$start.RedirectStandardOutput = $true
$start.UseShellExecute = $false
$Process.StartInfo = $start
[void]$Process.Start()
$global:StandIn = $Process
$global:StandInVolumes = [IO.Path]::Combine($HostFolder, 'volumes')

function Invoke-StandIn($Request) {
    $StandIn.StandardInput.WriteLine((ConvertTo-Json -InputObject $Request -Compress -Depth 5))
    $StandIn.StandardInput.Flush()
    $line = $StandIn.StandardOutput.ReadLine()
    if ($null -eq $line) { throw 'the stand-in ended' }
    ConvertFrom-Json -InputObject $line -DateKind String
}
function ConvertTo-WindowsPath([string]$Path) {
    if (-not $Path.StartsWith($StandInVolumes + '/')) { return $Path }
    $rest = $Path.Substring($StandInVolumes.Length + 1)
    $rest.Substring(0, 1) + ':' + $rest.Substring(1).Replace('/', '\')
}
function Get-WmiObject { param([string]$Class) (Invoke-StandIn @{ wmi = 'get'; class = $Class }).rows }
function Invoke-WmiMethod {
    param([string]$Class, [string]$Name, [object[]]$ArgumentList)
    (Invoke-StandIn @{ wmi = 'invoke'; path = $Class; method = $Name; arguments = $ArgumentList }).rows
}
function Remove-WmiObject { param([string]$Path) [void](Invoke-StandIn @{ wmi = 'remove'; path = $Path }) }
function Test-Path { param([string]$LiteralPath) (Invoke-StandIn @{ key = $LiteralPath }).found }
function Get-Acl {
    param([string]$Path)
    $acl = New-Object PSObject -Property @{ Sddl = (Invoke-StandIn @{ acl = (ConvertTo-WindowsPath $Path) }).sddl }
    $acl | Add-Member ScriptMethod GetSecurityDescriptorSddlForm { param($Sections) $this.Sddl }
    $acl | Add-Member ScriptMethod SetSecurityDescriptorSddlForm { param($Sddl, $Sections) if ($Sections -ne 'Access') { throw 'all sections' }; $this.Sddl = $Sddl } -PassThru
}
function Set-Acl {
    param([string]$Path, $AclObject)
    [void](Invoke-StandIn @{ acl = (ConvertTo-WindowsPath $Path); sddl = $AclObject.Sddl })
}
foreach ($tool in (Invoke-StandIn @{ tools = $true }).tools) {
    # A tool that is called by its path has the path of its real file as name.
    if ($tool -match '^([A-Z]):\\(.+)$') { $tool = [IO.Path]::Combine($StandInVolumes, $matches[1], $matches[2].Replace('\', '/')) }
    $body = {
        $plain = @($args | ForEach-Object { foreach ($one in @($_)) { ConvertTo-WindowsPath ([string]$one) } })
        $name = ConvertTo-WindowsPath $MyInvocation.MyCommand.Name
        $answer = Invoke-StandIn @{ tool = $name; arguments = $plain }
        $answer.lines
        foreach ($line in $answer.errors) { $line }
        $global:LASTEXITCODE = [int]$answer.code
    }
    [void](New-Item -Path 'function:' -Name ('global:' + $tool) -Value $body -Force)
}
foreach ($drive in [IO.Directory]::GetDirectories($StandInVolumes)) {
    $name = [IO.Path]::GetFileName($drive)
    if ($name.Length -eq 1 -and -not (Get-PSDrive -Name $name -ErrorAction SilentlyContinue)) {
        [void](New-PSDrive -Name $name -PSProvider FileSystem -Root $drive -Scope Global)
    }
}
# The real one exists here, and says that this platform is not supported.
if (-not ('SkStandIn.DateTimeConverter' -as [type])) {
    Add-Type -TypeDefinition @'
namespace SkStandIn {
    public static class DateTimeConverter {
        public static System.DateTime ToDateTime(string text) {
            var culture = System.Globalization.CultureInfo.InvariantCulture;
            var local = System.DateTime.ParseExact(text.Substring(0, 21), "yyyyMMddHHmmss.ffffff", culture);
            var minutes = int.Parse(text.Substring(21), culture);
            return System.DateTime.SpecifyKind(local.AddMinutes(-minutes), System.DateTimeKind.Utc).ToLocalTime();
        }
    }
}
'@
    $accelerators = [psobject].Assembly.GetType('System.Management.Automation.TypeAccelerators')
    $accelerators::Add('Management.ManagementDateTimeConverter', [SkStandIn.DateTimeConverter])
}
# Operations Manager, on the host that is its management server; and the agent's module, wherever it is asked for by its path.
function Get-ItemProperty {
    [CmdletBinding()]
    param([string]$LiteralPath)
    $found = Invoke-StandIn @{ key = $LiteralPath; values = $true }
    if (-not $found.found) { Write-Error -Message 'no such key' -Category ObjectNotFound } else { $found.values }
}
function Import-Module {
    [CmdletBinding()]
    param([string]$Name)
    if ([IO.Path]::GetFileName($Name) -ne 'MaintenanceMode.dll') { Microsoft.PowerShell.Core\Import-Module -Name $Name -ErrorAction Stop }
}
function Start-SCOMAgentMaintenanceMode {
    [CmdletBinding()]
    param([double]$Duration, [string]$Reason, [string]$Comments)
    [void](Invoke-StandIn @{ opsmgr = 'agent'; minutes = $Duration; reason = $Reason; comment = $Comments })
}
function ConvertTo-Monitored($Rows) {
    foreach ($one in $Rows) {
        $one | Add-Member ScriptMethod GetMaintenanceWindow {
            $window = (Invoke-StandIn @{ opsmgr = 'window'; id = $this.Id }).rows[0]
            # The SDK's times say nothing of their kind.
            $until = [DateTime]::Parse($window.until, [Globalization.CultureInfo]::InvariantCulture, 'RoundtripKind').ToUniversalTime()
            New-Object PSObject -Property @{ MonitoringObjectId = $this.Id; ScheduledEndTime = [DateTime]::SpecifyKind($until, 'Unspecified'); Comments = $window.comment }
        }
        $one | Add-Member ScriptMethod GetRelatedMonitoringObjects {
            param($Which)
            $rows = (Invoke-StandIn @{ opsmgr = 'hosted'; id = $this.Id }).rows
            if ($Which -eq 'Recursive') { ConvertTo-Monitored $rows } else { ConvertTo-Monitored @($rows | Where-Object { $_.FullName.StartsWith($Which.Name + ':') }) }
        }
        $one
    }
}
function Set-StandInEnd([string]$Id, [DateTime]$EndTime, [string]$Comment) {
    if ($EndTime.Kind -ne 'Utc') { throw 'a local time' }
    [void](Invoke-StandIn @{ opsmgr = 'end'; id = $Id; until = $EndTime.ToString('o'); comment = $Comment })
}
function Start-StandIn($Target, [DateTime]$EndTime, [string]$Reason, [string]$Comment) {
    if ($EndTime.Kind -ne 'Utc') { throw 'a local time' }
    [void](Invoke-StandIn @{ opsmgr = 'start'; id = $Target.Id; until = $EndTime.ToString('o'); reason = $Reason; comment = $Comment })
}
$kind = (Invoke-StandIn @{ opsmgr = 'kind' }).kind
if ($kind -eq 'scom') {
    $global:StandInConnected = $false
    function Get-SCOMManagementGroupConnection { if ($global:StandInConnected) { 'localhost' } }
    function New-SCOMManagementGroupConnection { [CmdletBinding()] param([string]$ComputerName) $global:StandInConnected = $true; $ComputerName }
    function Get-SCOMClass { [CmdletBinding()] param([string]$Name) if (-not $global:StandInConnected) { throw 'not connected' }; New-Object PSObject -Property @{ Name = $Name } }
    function Get-SCOMClassInstance { [CmdletBinding()] param($Class) ConvertTo-Monitored (Invoke-StandIn @{ opsmgr = 'objects'; class = $Class.Name }).rows }
    function Get-SCOMMaintenanceMode { [CmdletBinding()] param($Instance) $Instance.GetMaintenanceWindow() }
    function Start-SCOMMaintenanceMode { [CmdletBinding()] param($Instance, [DateTime]$EndTime, [string]$Comment, [string]$Reason) Start-StandIn $Instance $EndTime $Reason $Comment }
    function Set-SCOMMaintenanceMode { [CmdletBinding()] param($MaintenanceModeEntry, [DateTime]$EndTime, [string]$Comment) Set-StandInEnd $MaintenanceModeEntry.MonitoringObjectId $EndTime $Comment }
}
if ($kind -eq 'opsmgr2007') {
    $global:StandInConnected = $false
    $global:StandInPlace = ''
    function Set-Location { [CmdletBinding()] param([string]$Path) $global:StandInPlace = $Path }
    function Get-ManagementGroupConnection { if ($global:StandInConnected) { 'localhost' } }
    function New-ManagementGroupConnection { [CmdletBinding()] param([string]$ConnectionString) if ($StandInPlace -ne 'OperationsManagerMonitoring::') { throw 'elsewhere' }; $global:StandInConnected = $true; $ConnectionString }
    function Get-MonitoringClass { [CmdletBinding()] param([string]$Name) if ($StandInPlace -ne 'localhost') { throw 'elsewhere' }; New-Object PSObject -Property @{ Name = $Name } }
    function Get-MonitoringObject {
        [CmdletBinding()]
        param($MonitoringClass, [string]$Criteria)
        if ($Criteria -notmatch "^(PrincipalName|HealthServiceName)='(.*)'$") { throw 'criteria' }
        $wanted = $matches[2]
        ConvertTo-Monitored @((Invoke-StandIn @{ opsmgr = 'objects'; class = $MonitoringClass.Name }).rows | Where-Object { $_.DisplayName -eq $wanted })
    }
    function New-MaintenanceWindow { [CmdletBinding()] param([DateTime]$StartTime, [DateTime]$EndTime, $MonitoringObject, [string]$Reason, [string]$Comment) Start-StandIn $MonitoringObject $EndTime $Reason $Comment }
    function Set-MaintenanceWindow { [CmdletBinding()] param($MonitoringObject, [DateTime]$EndTime, [string]$Comment) Set-StandInEnd $MonitoringObject.Id $EndTime $Comment }
}
