# Windows for a PowerShell on Linux, over one lab host: compiled cmdlets that ask the lab, access lists, native tools,
# Operations Manager, and drives that are folders. Loaded into every session that the lab starts.
Import-Module $env:SITEKEEPER_LAB_CMDLETS
$accelerators = [psobject].Assembly.GetType('System.Management.Automation.TypeAccelerators')
if (-not $accelerators::Get.ContainsKey('Management.ManagementDateTimeConverter')) {
    $accelerators::Add('Management.ManagementDateTimeConverter', [Sitekeeper.Lab.ManagementDateTimeConverter])
}

function Invoke-Lab($Request) {
    ConvertFrom-Json -InputObject ([Sitekeeper.Lab.Windows]::Ask((ConvertTo-Json -InputObject $Request -Compress -Depth 5))) -DateKind String
}
function ConvertTo-WindowsPath([string]$Path) {
    if (-not $Path.StartsWith($env:SITEKEEPER_LAB_VOLUMES + '/')) { return $Path }
    $rest = $Path.Substring($env:SITEKEEPER_LAB_VOLUMES.Length + 1)
    $rest.Substring(0, 1) + ':' + $rest.Substring(1).Replace('/', '\')
}
function Set-LabProxy([string]$Real, [string]$Where, [string]$Instead) {
    # PowerShell's own command, parameters included, but where a condition holds.
    $name = $Real.Split('\')[1]
    $own = New-Object Management.Automation.CommandMetadata (Get-Command -Name $Real)
    $proxy = [Management.Automation.ProxyCommand]
    $text = $proxy::GetCmdletBindingAttribute($own) + "`nparam(" + $proxy::GetParamBlock($own) + ")`n" +
        "begin { `$instead = $Where; if (`$instead) { $Instead; return }`n" + ($proxy::GetBegin($own) -replace "'$name'", "'$Real'") + "}`n" +
        "process { if (`$instead) { return }`n" + $proxy::GetProcess($own) + "}`n" +
        "end { if (`$instead) { return }`n" + $proxy::GetEnd($own) + "}`n"
    Set-Item -Path ('function:script:' + $name) -Value ([scriptblock]::Create($text))
}
$registry = '[bool](@(@($LiteralPath) + @($Path)) -match "^(Microsoft\.PowerShell\.Core\\)?(HK(LM|CU):|Registry::)")'
foreach ($name in 'Test-Path', 'Get-ItemProperty', 'Get-ChildItem') {
    Set-LabProxy ('Microsoft.PowerShell.Management\' + $name) $registry ($name.Replace('-', '-Lab') + ' @PSBoundParameters')
}
Set-LabProxy 'Microsoft.PowerShell.Core\Import-Module' '[IO.Path]::GetFileName([string]$Name) -eq "MaintenanceMode.dll"' '$null = $Name'
function Get-Acl {
    param([string]$Path)
    $acl = New-Object PSObject -Property @{ Sddl = (Invoke-Lab @{ acl = (ConvertTo-WindowsPath $Path) }).sddl }
    $acl | Add-Member ScriptMethod GetSecurityDescriptorSddlForm { param($Sections) $at = $this.Sddl.IndexOf('D:'); if ($Sections -eq 'Owner') { $this.Sddl.Substring(0, $at) } else { $this.Sddl.Substring($at) } }
    $acl | Add-Member ScriptMethod SetSecurityDescriptorSddlForm { param($Sddl, $Sections) if ($Sections -ne 'Access, Owner') { throw 'all sections' }; $this.Sddl = $Sddl } -PassThru
}
function Set-Acl {
    param([string]$Path, $AclObject)
    [void](Invoke-Lab @{ acl = (ConvertTo-WindowsPath $Path); sddl = $AclObject.Sddl })
}
function Start-SCOMAgentMaintenanceMode {
    [CmdletBinding()]
    param([double]$Duration, [string]$Reason, [string]$Comments)
    [void](Invoke-Lab @{ opsmgr = 'agent'; minutes = $Duration; reason = $Reason; comment = $Comments })
}
function ConvertTo-Monitored($Rows) {
    foreach ($one in $Rows) {
        $one | Add-Member ScriptMethod GetMaintenanceWindow {
            $window = (Invoke-Lab @{ opsmgr = 'window'; id = $this.Id }).rows[0]
            # The SDK's times say nothing of their kind.
            $until = [DateTime]::Parse($window.until, [Globalization.CultureInfo]::InvariantCulture, 'RoundtripKind').ToUniversalTime()
            New-Object PSObject -Property @{ MonitoringObjectId = $this.Id; ScheduledEndTime = [DateTime]::SpecifyKind($until, 'Unspecified'); Comments = $window.comment }
        }
        $one | Add-Member ScriptMethod GetRelatedMonitoringObjects {
            param($Which)
            $rows = (Invoke-Lab @{ opsmgr = 'hosted'; id = $this.Id }).rows
            if ($Which -eq 'Recursive') { ConvertTo-Monitored $rows } else { ConvertTo-Monitored @($rows | Where-Object { $_.FullName.StartsWith($Which.Name + ':') }) }
        }
        $one
    }
}
function Set-LabEnd([string]$Id, [DateTime]$EndTime, [string]$Comment) {
    if ($EndTime.Kind -ne 'Utc') { throw 'a local time' }
    [void](Invoke-Lab @{ opsmgr = 'end'; id = $Id; until = $EndTime.ToString('o'); comment = $Comment })
}
function Start-LabMode($Target, [DateTime]$EndTime, [string]$Reason, [string]$Comment) {
    if ($EndTime.Kind -ne 'Utc') { throw 'a local time' }
    [void](Invoke-Lab @{ opsmgr = 'start'; id = $Target.Id; until = $EndTime.ToString('o'); reason = $Reason; comment = $Comment })
}
$kind = (Invoke-Lab @{ opsmgr = 'kind' }).kind
if ($kind -eq 'scom') {
    $global:LabConnected = $false
    function Get-SCOMManagementGroupConnection { if ($global:LabConnected) { 'localhost' } }
    function New-SCOMManagementGroupConnection { [CmdletBinding()] param([string]$ComputerName) $global:LabConnected = $true; $ComputerName }
    function Get-SCOMClass { [CmdletBinding()] param([string]$Name) if (-not $global:LabConnected) { throw 'not connected' }; New-Object PSObject -Property @{ Name = $Name } }
    function Get-SCOMClassInstance { [CmdletBinding()] param($Class) ConvertTo-Monitored (Invoke-Lab @{ opsmgr = 'objects'; class = $Class.Name }).rows }
    function Get-SCOMMaintenanceMode { [CmdletBinding()] param($Instance) $Instance.GetMaintenanceWindow() }
    function Start-SCOMMaintenanceMode { [CmdletBinding()] param($Instance, [DateTime]$EndTime, [string]$Comment, [string]$Reason) Start-LabMode $Instance $EndTime $Reason $Comment }
    function Set-SCOMMaintenanceMode { [CmdletBinding()] param($MaintenanceModeEntry, [DateTime]$EndTime, [string]$Comment) Set-LabEnd $MaintenanceModeEntry.MonitoringObjectId $EndTime $Comment }
}
if ($kind -eq 'opsmgr2007') {
    $global:LabConnected = $false
    $global:LabPlace = ''
    function Set-Location { [CmdletBinding()] param([string]$Path) $global:LabPlace = $Path }
    function Get-ManagementGroupConnection { if ($global:LabConnected) { 'localhost' } }
    function New-ManagementGroupConnection { [CmdletBinding()] param([string]$ConnectionString) if ($LabPlace -ne 'OperationsManagerMonitoring::') { throw 'elsewhere' }; $global:LabConnected = $true; $ConnectionString }
    function Get-MonitoringClass { [CmdletBinding()] param([string]$Name) if ($LabPlace -ne 'localhost') { throw 'elsewhere' }; New-Object PSObject -Property @{ Name = $Name } }
    function Get-MonitoringObject {
        [CmdletBinding()]
        param($MonitoringClass, [string]$Criteria)
        if ($Criteria -notmatch "^(PrincipalName|HealthServiceName)='(.*)'$") { throw 'criteria' }
        $wanted = $matches[2]
        ConvertTo-Monitored @((Invoke-Lab @{ opsmgr = 'objects'; class = $MonitoringClass.Name }).rows | Where-Object { $_.DisplayName -eq $wanted })
    }
    function New-MaintenanceWindow { [CmdletBinding()] param([DateTime]$StartTime, [DateTime]$EndTime, $MonitoringObject, [string]$Reason, [string]$Comment) Start-LabMode $MonitoringObject $EndTime $Reason $Comment }
    function Set-MaintenanceWindow { [CmdletBinding()] param($MonitoringObject, [DateTime]$EndTime, [string]$Comment) Set-LabEnd $MonitoringObject.Id $EndTime $Comment }
}
foreach ($tool in (Invoke-Lab @{ tools = $true }).tools) {
    # A tool that is called by its path has the path of its real file as name.
    if ($tool -match '^([A-Z]):\\(.+)$') { $tool = [IO.Path]::Combine($env:SITEKEEPER_LAB_VOLUMES, $matches[1], $matches[2].Replace('\', '/')) }
    Set-Item -Path ('function:script:' + $tool) -Value {
        $plain = @($args | ForEach-Object { foreach ($one in @($_)) { ConvertTo-WindowsPath ([string]$one) } })
        $answer = Invoke-Lab @{ tool = (ConvertTo-WindowsPath $MyInvocation.MyCommand.Name); arguments = $plain }
        $answer.lines
        foreach ($line in $answer.errors) { $line }
        $global:LASTEXITCODE = [int]$answer.code
    }
}
foreach ($drive in [IO.Directory]::GetDirectories($env:SITEKEEPER_LAB_VOLUMES)) {
    $name = [IO.Path]::GetFileName($drive)
    if ($name.Length -eq 1 -and -not (Get-PSDrive -Name $name -ErrorAction SilentlyContinue)) {
        [void](New-PSDrive -Name $name -PSProvider FileSystem -Root $drive -Scope Global)
    }
}
Export-ModuleMember -Function * -Cmdlet *
