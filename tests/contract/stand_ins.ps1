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
