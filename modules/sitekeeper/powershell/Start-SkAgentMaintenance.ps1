function Start-SkAgentMaintenance {
    # Asks this host's own agent (SCOM 2016 and later) for maintenance mode. The agent only writes the wish down; a rule of the
    # management group takes it up within minutes. There is no way to ask what came of it, or to end it early.
    [CmdletBinding()]
    param([int]$Minutes, [string]$Comment, [string]$Run)
    trap { break }  # a failed .NET call would only end its statement
    if ($Minutes -lt 5 -or $Minutes -gt 1051200) { throw 'SkInvalidDuration' }
    if ($Run -cnotmatch '\A[0-9a-z][0-9a-z-]{0,63}\z') { throw 'SkInvalidRun' }
    $setup = Get-ItemProperty -LiteralPath 'HKLM:\SOFTWARE\Microsoft\Microsoft Operations Manager\3.0\Setup' -ErrorAction SilentlyContinue
    if (-not $setup -or -not $setup.InstallDirectory) { throw 'SkNoAgent' }
    $file = Get-SkNative -Path ($setup.InstallDirectory.TrimEnd('\') + '\MaintenanceMode.dll')
    if (-not [IO.File]::Exists($file)) { throw 'SkNoAgent' }
    Import-Module -Name $file -ErrorAction Stop
    # -Comment: -Comments in Microsoft's page, -Comment in scripts; as the beginning of the name it is both.
    [void](Start-SCOMAgentMaintenanceMode -Duration $Minutes -Reason 'PlannedOther' -Comment ($Comment + ' [sitekeeper ' + $Run + ']') -ErrorAction Stop)
}
