function Start-SkSetup {
    # Has setup (or its prerequisite checker) of the staged CD.Latest run, by a task that an administrator registered once with the
    # account that it is to run as: no password comes through us. The task's action is one fixed file, which this writes.
    # Answers the account, and starts nothing where it is another than Expected. Once per run and step: a second call only
    # answers. Names, never a path but the pinned Root.
    [CmdletBinding()]
    param([string]$Drive, [string]$Run, [string]$Root, [string]$Step, [string[]]$Name, [string]$Expected)
    trap { break }  # a failed .NET call would only end its statement
    if ($null -eq $Name) { $Name = @() }  # or 2.0 goes once through its foreach, with nothing
    if ($Step -cnotmatch '\A(prerequisites|setup)\z') { throw 'SkInvalidStep' }
    foreach ($one in $Name) { if ($one -cnotmatch '\A[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\z') { throw 'SkInvalidName' } }
    Protect-SkFolder -Drive $Drive
    # What a command file cannot hold between quotes.
    if ($Root -match '[%!^&]|[^\x20-\x7e]') { throw 'SkInvalidRoot' }
    $stage = $Run + '-stage'
    [void](Get-SkStagePath -Root $Root -Run $stage -Path 'CD.Latest')
    $plain = $Root + '\' + $stage
    $bin = $plain + '\CD.Latest\SMSSETUP\BIN\X64\'
    $program = $bin + 'setup.exe'
    if ($Step -eq 'prerequisites') { $program = $bin + 'prereqchk.exe' }
    if (-not [IO.File]::Exists((Get-SkNative -Path $program))) { throw 'SkNoSetup' }
    $line = '"' + $program + '" /script "' + $plain + '\recover.ini"'
    if ($Step -eq 'prerequisites') { $line = '"' + $program + '" /NOUI /' + $Name[0] + ' /SQL ' + $Name[1] + ' /SDK ' + $Name[2] }

    $said = @(& schtasks.exe /query /tn sitekeeper-setup /xml 2>&1 | ForEach-Object { [string]$_ })
    if ($LASTEXITCODE -ne 0) {
        Write-Error -Message 'there is no task sitekeeper-setup' -ErrorId 'SkNoSetupTask' -Category ObjectNotFound -TargetObject 'sitekeeper-setup'
        return
    }
    $task = New-Object Xml.XmlDocument
    $task.LoadXml([string]::Join("`n", $said).Trim())
    $account = $task.GetElementsByTagName('UserId').Item(0).InnerText
    $command = $Drive + ':\sitekeeper\setup.cmd'
    $commands = $task.GetElementsByTagName('Command')
    if ($commands.Count -ne 1 -or $commands.Item(0).InnerText.Trim('"') -ne $command -or $task.GetElementsByTagName('Arguments').Count -gt 0) {
        Write-Error -Message ('the task sitekeeper-setup runs something else than ' + $command) -ErrorId 'SkOtherSetupTask' -Category InvalidData -TargetObject 'sitekeeper-setup'
        return
    }
    # Only an account with a password has this logon type, however SYSTEM is called on this Windows.
    $logon = $task.GetElementsByTagName('LogonType')
    if ($logon.Count -ne 1 -or $logon.Item(0).InnerText -ne 'Password') {
        Write-Error -Message 'the task sitekeeper-setup does not run as an account with a password' -ErrorId 'SkSetupWithoutPassword' -Category InvalidData -TargetObject 'sitekeeper-setup'
        return
    }
    if ($account -match '\AS-1-[0-9-]+\z') {
        $id = New-Object Security.Principal.SecurityIdentifier($account)
        $account = $id.Translate([Security.Principal.NTAccount]).Value
    }
    if ($Expected -and $account -ne $Expected) {
        Write-Error -Message ('the task sitekeeper-setup runs as ' + $account) -ErrorId 'SkOtherSetupAccount' -Category InvalidData -TargetObject $account
        return
    }
    $folder = Get-SkFolder -Drive $Drive -Run $Run -Name 'setup'
    $started = [IO.Path]::Combine($folder, $Step + '.started')
    $already = [IO.File]::Exists($started)
    if (-not $already) {
        [void][IO.Directory]::CreateDirectory($folder)
        $code = $Drive + ':\sitekeeper\' + $Run + '\setup\' + $Step + '.code'
        $lines = @('@echo off', $line, ('>' + $code + ' echo %errorlevel%'))
        [IO.File]::WriteAllText((Get-SkNative -Path $command), [string]::Join("`r`n", $lines) + "`r`n", [Text.Encoding]::ASCII)
        [IO.File]::WriteAllText($started, $account, [Text.Encoding]::ASCII)
        [void](& schtasks.exe /run /tn sitekeeper-setup 2>&1)
        if ($LASTEXITCODE -ne 0) {
            [IO.File]::Delete($started)
            Write-Error -Message ('schtasks.exe /run ended with ' + $LASTEXITCODE) -ErrorId 'SkSetupNotStarted' -Category ResourceUnavailable -TargetObject 'sitekeeper-setup'
            return
        }
    }
    New-Object PSObject -Property @{ Account = $account; Already = $already }
}
