function Register-SkGuard {
    # Arms a guard: its script in <Drive>:\sitekeeper\<Run>\guard\<Number>, a task of SYSTEM that runs it every minute and
    # after a start of the host, and one run at once. No clock time matters: the script counts its own runs since the last beat.
    # Armed is what was seen to have run: ask Test-SkGuard. Arming counts as a beat. Answers the task's name and the exit codes.
    [CmdletBinding()]
    param([string]$Drive, [string]$Run, [int]$Number, [int]$Minutes, [string[]]$Service, [string]$Kind)
    trap { break }  # a failed .NET call would only end its statement
    $script = @(Get-SkGuardScript -Drive $Drive -Run $Run -Number $Number -Minutes $Minutes -Service $Service -Kind $Kind)
    Protect-SkFolder -Drive $Drive
    Unregister-SkGuard -Drive $Drive -Run $Run -Number $Number
    $folder = [IO.Path]::Combine((Get-SkFolder -Drive $Drive -Run $Run -Name 'guard'), [string]$Number)
    $plain = $Drive + ':\sitekeeper\' + $Run + '\guard\' + $Number
    $name = 'sitekeeper-' + $Run + '-' + $Number
    [void][IO.Directory]::CreateDirectory($folder)
    [IO.File]::WriteAllText([IO.Path]::Combine($folder, '0.count'), '', [Text.Encoding]::ASCII)
    [IO.File]::WriteAllText([IO.Path]::Combine($folder, 'beat.txt'), 'beat', [Text.Encoding]::ASCII)
    [IO.File]::WriteAllText([IO.Path]::Combine($folder, 'guard.cmd'), [string]::Join("`r`n", $script) + "`r`n", [Text.Encoding]::ASCII)

    $global:LASTEXITCODE = -1
    $boot = 0
    $system = @(Get-WmiObject -Class Win32_OperatingSystem -ErrorAction Stop)[0]
    if ($system.Version -like '5.*') {
        $said = @(& schtasks.exe /create /tn $name /tr ($plain + '\guard.cmd') /sc minute /mo 1 /ru SYSTEM 2>&1 | ForEach-Object { [string]$_ })
        $code = $LASTEXITCODE
        $said += @(& schtasks.exe /create /tn ($name + '-start') /tr ($plain + '\guard.cmd') /sc onstart /ru SYSTEM 2>&1 | ForEach-Object { [string]$_ })
        $boot = $LASTEXITCODE
    } else {
        # Repeats for ever from a moment that is long past, in UTC: no time zone, no daylight saving. A second instance is not
        # started. One that hangs for an hour is ended, or no other would ever run.
        $task = @(
            '<?xml version="1.0" encoding="UTF-16"?>'
            '<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">'
            ('<RegistrationInfo><Description>sitekeeper: guard ' + $Number + ' of run ' + $Run + '</Description></RegistrationInfo>')
            '<Triggers>'
            '<BootTrigger><Enabled>true</Enabled></BootTrigger>'
            '<TimeTrigger><Repetition><Interval>PT1M</Interval><StopAtDurationEnd>false</StopAtDurationEnd></Repetition>'
            '<StartBoundary>2000-01-01T00:00:00Z</StartBoundary><Enabled>true</Enabled></TimeTrigger>'
            '</Triggers>'
            '<Principals><Principal id="Author"><UserId>S-1-5-18</UserId><RunLevel>HighestAvailable</RunLevel></Principal></Principals>'
            '<Settings>'
            '<MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>'
            '<DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>'
            '<StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>'
            '<AllowHardTerminate>true</AllowHardTerminate>'
            '<StartWhenAvailable>true</StartWhenAvailable>'
            '<RunOnlyIfNetworkAvailable>false</RunOnlyIfNetworkAvailable>'
            '<AllowStartOnDemand>true</AllowStartOnDemand>'
            '<Enabled>true</Enabled><Hidden>false</Hidden><RunOnlyIfIdle>false</RunOnlyIfIdle><WakeToRun>false</WakeToRun>'
            '<ExecutionTimeLimit>PT1H</ExecutionTimeLimit><Priority>5</Priority>'
            '</Settings>'
            ('<Actions Context="Author"><Exec><Command>' + $plain + '\guard.cmd</Command></Exec></Actions>')
            '</Task>'
        )
        [IO.File]::WriteAllText([IO.Path]::Combine($folder, 'task.xml'), [string]::Join("`r`n", $task) + "`r`n", [Text.Encoding]::Unicode)
        $said = @(& schtasks.exe /create /tn $name /xml ($plain + '\task.xml') 2>&1 | ForEach-Object { [string]$_ })
        $code = $LASTEXITCODE
    }
    if ($code -ne 0 -or $boot -ne 0) {
        Write-Error -Message ('schtasks.exe /create ended with ' + $code + ' and ' + $boot + ': ' + ($said -join ' ')) -ErrorId 'SkGuardNotCreated' -Category ResourceUnavailable -TargetObject $name
        return
    }
    [void](& schtasks.exe /run /tn $name 2>&1)
    New-Object PSObject -Property @{ Name = $name; ExitCode = $code; BootExitCode = $boot; RunExitCode = $LASTEXITCODE }
}
