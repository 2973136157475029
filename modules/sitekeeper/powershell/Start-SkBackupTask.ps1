function Start-SkBackupTask {
    # Starts the site's own backup task, and writes down that this run did, and as which process. Only after Save-SkTaskBackup.
    # Code is that of Win32_Service.StartService: 10 when it runs already, which then is not ours.
    [CmdletBinding()]
    param([string]$Drive, [string]$Run)
    trap { break }  # a failed .NET call would only end its statement
    $mark = Get-SkTaskMark -Drive $Drive -Run $Run
    if (-not $mark) { throw 'SkNoTaskMark' }
    if ($mark.Started -ge 0) { throw 'SkTaskStarted' }
    $place = Get-SkFolder -Drive $Drive -Run $Run -Name 'task'
    $service = @(Get-SkState -Service 'SMS_SITE_BACKUP')[0]
    if ($service.State -ne 'Stopped') {
        New-Object PSObject -Property @{ Code = 10; Process = [long]0 }
        return
    }
    $begun = [IO.Path]::Combine($place, 'starting.txt')
    [IO.File]::WriteAllText($begun, 'starting', [Text.Encoding]::ASCII)
    $code = [int](Invoke-WmiMethod -Path "Win32_Service.Name='SMS_SITE_BACKUP'" -Name StartService).ReturnValue
    $process = [long]0
    if ($code -eq 0) {
        $process = [long]@(Get-SkState -Service 'SMS_SITE_BACKUP')[0].Pid
        $file = [IO.Path]::Combine($place, 'started.txt')
        [IO.File]::WriteAllText(($file + '.new'), [string]$process, [Text.Encoding]::ASCII)
        [IO.File]::Move(($file + '.new'), $file)
    } else {
        [IO.File]::Delete($begun)
    }
    New-Object PSObject -Property @{ Code = $code; Process = $process }
}
