# Makes calls on a real PowerShell, in a runspace that has our functions and the lab's Windows.
param([string]$Cases, [string]$Results, [string]$Functions, [string]$Windows)
$ErrorActionPreference = 'Stop'

function Get-Shape($Value) {
    if ($null -eq $Value) { return @('Null', $null) }
    if ($Value -is [byte[]]) { return @('Byte[]', ('' + $Value.Length + ' ' + [BitConverter]::ToString([Security.Cryptography.SHA256]::Create().ComputeHash($Value)).Replace('-', '').ToLower())) }
    if ($Value -is [DateTime]) { return @('DateTime', $Value.ToString('o')) }
    if ($Value -is [string]) { return @('String', [string]$Value) }
    if ($Value -is [bool] -or $Value -is [int] -or $Value -is [long]) { return @($Value.GetType().Name, $Value) }
    if ($Value -is [array]) { $items = @(); foreach ($one in $Value) { $items += , @(Get-Shape $one) }; return @('Object[]', $items) }
    $properties = @{}
    foreach ($one in $Value.PSObject.Properties) { $properties[$one.Name] = @(Get-Shape $one.Value) }
    return @('PSCustomObject', $properties)
}
function Get-Record($Record) {
    @{ id = $Record.FullyQualifiedErrorId; category = [int]$Record.CategoryInfo.Category; message = $Record.Exception.Message; type = $Record.Exception.GetType().FullName }
}
$runspace = [runspacefactory]::CreateRunspace()
$runspace.Open()
$setup = [powershell]::Create(); $setup.Runspace = $runspace
[void]$setup.AddScript("Import-Module '$Windows'")
foreach ($file in [IO.Directory]::GetFiles($Functions, '*.ps1')) { [void]$setup.AddStatement().AddScript([IO.File]::ReadAllText($file)) }
[void]$setup.Invoke()
if ($setup.Streams.Error.Count) { throw ($setup.Streams.Error[0] | Out-String) }
$done = @()
foreach ($call in ConvertFrom-Json -InputObject ([IO.File]::ReadAllText($Cases)) -AsHashtable -DateKind String) {
    $ps = [powershell]::Create(); $ps.Runspace = $runspace
    if ($call.fault) { [void]$ps.AddScript("Invoke-Lab @{ fault = '$($call.fault)' }").Invoke(); $done += @{ output = @(); errors = @(); failed = $null }; continue }
    [void]$ps.AddCommand($call.name)
    foreach ($name in $call.arguments.Keys) {
        $value = $call.arguments[$name]
        if ($value -is [array]) { $value = [string[]]$value }
        if ($value -is [Collections.IDictionary]) { $value = [Convert]::FromBase64String($value.base64) }
        [void]$ps.AddParameter($name, $value)
    }
    $failed = $null
    $output = New-Object 'Management.Automation.PSDataCollection[PSObject]'
    $nothing = New-Object 'Management.Automation.PSDataCollection[PSObject]'
    $nothing.Complete()
    try { [void]$ps.EndInvoke($ps.BeginInvoke($nothing, $output)) } catch {
        $reason = $ps.InvocationStateInfo.Reason
        if (-not $reason) { throw }
        $failed = Get-Record $reason.ErrorRecord
    }
    $shapes = @(); foreach ($one in $output) { $base = $one; if ($one.PSObject.BaseObject -isnot [Management.Automation.PSCustomObject]) { $base = $one.PSObject.BaseObject }; $shapes += , @(Get-Shape $base) }
    $errors = @(); foreach ($one in $ps.Streams.Error) { $errors += (Get-Record $one) }
    $done += @{ output = $shapes; errors = $errors; failed = $failed }
    $ps.Dispose()
}
$runspace.Dispose()
[IO.File]::WriteAllText($Results, (ConvertTo-Json -InputObject @($done) -Depth 20 -Compress))
