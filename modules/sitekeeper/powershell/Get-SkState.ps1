function Get-SkState {
    # Which services run, in which process, since which boot: compared before and after the shadow copy, so that a
    # window that was broken in between is seen.
    [CmdletBinding()]
    param([string[]]$Service)
    trap { break }  # a failed .NET call would only end its statement
    $boot = (Get-WmiObject -Class Win32_OperatingSystem).LastBootUpTime
    foreach ($one in @(Get-WmiObject -Class Win32_Service)) {
        if ($Service -contains $one.Name) {
            New-Object PSObject -Property @{ Name = $one.Name; State = $one.State; Pid = [long]$one.ProcessId; Boot = $boot }
        }
    }
}
