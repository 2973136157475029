function Read-SkSetup {
    # How far a step of Start-SkSetup is: whether it was started, its exit code once it has ended, whether the program that
    # runs it is alive, and the length and the last lines of the log that it writes at the root of the system drive.
    [CmdletBinding()]
    param([string]$Drive, [string]$Run, [string]$Step)
    trap { break }  # a failed .NET call would only end its statement
    if ($Step -cnotmatch '\A(prerequisites|setup)\z') { throw 'SkInvalidStep' }
    $folder = Get-SkFolder -Drive $Drive -Run $Run -Name 'setup'
    $started = [IO.File]::Exists([IO.Path]::Combine($folder, $Step + '.started'))
    $code = ''
    $file = [IO.Path]::Combine($folder, $Step + '.code')
    if ($started -and [IO.File]::Exists($file)) { $code = [IO.File]::ReadAllText($file).Trim() }
    $name = 'ConfigMgrSetup.log'
    if ($Step -eq 'prerequisites') { $name = 'ConfigMgrPrereq.log' }
    $log = Get-SkNative -Path ($Drive + ':\' + $name)
    $length = [long]0
    $tail = ''
    if ([IO.File]::Exists($log)) {
        $stream = New-Object IO.FileStream($log, [IO.FileMode]::Open, [IO.FileAccess]::Read, [IO.FileShare]::ReadWrite)
        try {
            $length = $stream.Length
            $want = [int][Math]::Min([long]4096, $length)
            [void]$stream.Seek(-$want, 'End')
            $bytes = New-Object byte[] $want
            $got = $stream.Read($bytes, 0, $want)
            $tail = [Text.Encoding]::Default.GetString($bytes, 0, $got)
        } finally { $stream.Close() }
    }
    # The task's action is one command file, so cmd.exe runs as long as the step does. What cannot be asked counts as alive.
    $alive = $true
    $line = '*' + $Drive + ':\sitekeeper\setup.cmd*'
    try {
        $shells = @(Get-WmiObject -Query "SELECT CommandLine FROM Win32_Process WHERE Name='cmd.exe'" -ErrorAction Stop)
        $alive = @($shells | Where-Object { $_ -and $_.CommandLine -like $line }).Count -gt 0
    } catch { $alive = $true }
    New-Object PSObject -Property @{ Started = $started; Alive = $alive; Code = $code; Length = $length; Tail = $tail }
}
