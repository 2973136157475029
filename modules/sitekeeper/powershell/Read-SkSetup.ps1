function Read-SkSetup {
    # How far a step of Start-SkSetup is: whether it was started, its exit code once it has ended, and the length and the last
    # lines of the log that it writes at the root of the system drive.
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
    New-Object PSObject -Property @{ Started = $started; Code = $code; Length = $length; Tail = $tail }
}
