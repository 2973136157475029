# Runs scenarios on a real PowerShell: each loads our functions into a runspace of its own and makes its calls there.
param([string]$Cases, [string]$Results, [string]$Functions, [string]$StandIns, [string]$Python)
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
$all = ConvertFrom-Json -InputObject ([IO.File]::ReadAllText($Cases)) -AsHashtable -DateKind String
$answers = @()
foreach ($scenario in $all) {
    $runspace = [runspacefactory]::CreateRunspace()
    $runspace.Open()
    $setup = [powershell]::Create(); $setup.Runspace = $runspace
    [void]$setup.AddScript(". '$StandIns' -HostFolder '$($scenario.folder)' -Python '$Python'")
    foreach ($file in [IO.Directory]::GetFiles($Functions, '*.ps1')) { [void]$setup.AddStatement().AddScript([IO.File]::ReadAllText($file)) }
    [void]$setup.Invoke()
    if ($setup.Streams.Error.Count) { throw ($setup.Streams.Error[0] | Out-String) }
    $done = @()
    foreach ($call in $scenario.calls) {
        $ps = [powershell]::Create(); $ps.Runspace = $runspace
        if ($call.fault) { [void]$ps.AddScript("Invoke-StandIn @{ fault = '$($call.fault)' }").Invoke(); $done += @{ output = @(); errors = @(); failed = $null }; continue }
        [void]$ps.AddCommand($call.name)
        foreach ($name in $call.arguments.Keys) {
            $value = $call.arguments[$name]
            if ($value -is [array]) { $value = [string[]]$value }
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
    $answers += , @($done)
    $end = [powershell]::Create(); $end.Runspace = $runspace
    [void]$end.AddScript('$StandIn.StandardInput.Close(); $StandIn.WaitForExit(); $StandIn.Dispose()').Invoke()
    $runspace.Dispose()
}
[IO.File]::WriteAllText($Results, (ConvertTo-Json -InputObject @($answers) -Depth 20 -Compress))
