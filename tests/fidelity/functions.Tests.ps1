# What our functions promise and a Linux PowerShell can hold: refusals, the lease, the lock, the guard's text, deleting.
# What needs a Windows behind it is in the twin contract (tests/contract).
param([string]$Functions)

BeforeAll {
    foreach ($file in [IO.Directory]::GetFiles($Functions, '*.ps1')) { . $file }
    # Windows' own, which are not here; each test says what they answer.
    function Get-Acl { param([string]$Path) throw 'not asked for' }
    function Set-Acl { param([string]$Path, $AclObject) throw 'not asked for' }
    function Get-WmiObject { param([string]$Class) New-Object PSObject -Property @{ Version = '6.3.9600' } }
    $root = [IO.Path]::Combine("$TestDrive", 'sitekeeper')
    [void](New-PSDrive -Name D -PSProvider FileSystem -Root "$TestDrive" -Scope Global)
    $holder = @{ Drive = 'D'; Run = 'run-1'; Owner = 'ci' }
}
AfterAll { Remove-PSDrive -Name D -Scope Global -ErrorAction SilentlyContinue }

Describe 'Get-SkFolder' {
    It 'makes a path of ids' { Get-SkFolder -Drive D -Run run-1 -Name shadow | Should -Be ([IO.Path]::Combine($root, 'run-1', 'shadow')) }
    It 'refuses <Why>' -ForEach @(
        @{ Why = 'a small letter'; Given = @{ Drive = 'd' } }
        @{ Why = 'a drive that is a path'; Given = @{ Drive = 'D:\x' } }
        @{ Why = 'no drive'; Given = @{ } }
        @{ Why = 'a run that leads up'; Given = @{ Drive = 'D'; Run = '..' } }
        @{ Why = 'a run with a stream'; Given = @{ Drive = 'D'; Run = 'a:b' } }
        @{ Why = 'a long run'; Given = @{ Drive = 'D'; Run = 'a' * 65 } }
        @{ Why = 'a name with a backslash'; Given = @{ Drive = 'D'; Run = 'a'; Name = 'b\c' } }
        @{ Why = 'a name of a short path'; Given = @{ Drive = 'D'; Run = 'a'; Name = 'regist~1' } }
    ) { { Get-SkFolder @Given } | Should -Throw -ExpectedMessage 'SkInvalid*' }
}

Describe 'The lease' {
    BeforeAll { Mock Protect-SkFolder { [void][IO.Directory]::CreateDirectory($root) } }
    BeforeEach { if ([IO.Directory]::Exists($root)) { [IO.Directory]::Delete($root, $true) } }
    AfterEach { Clear-SkFence }

    It 'has a generation that only grows' {
        (Enter-SkLease @holder -Seconds 600 -AtLeast 0).Generation | Should -Be 1
        Exit-SkLease @holder
        (Enter-SkLease -Drive D -Run run-2 -Owner other -Seconds 600 -AtLeast 0).Generation | Should -Be 2
        (Enter-SkLease -Drive D -Run run-2 -Owner other -Seconds 600 -AtLeast 41).Generation | Should -Be 41
    }
    It 'is refused while another run holds it, and says whose it is' {
        [void](Enter-SkLease @holder -Seconds 600 -AtLeast 0)
        $said = $null
        Enter-SkLease -Drive D -Run run-2 -Owner other -Seconds 600 -AtLeast 0 -ErrorVariable said -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $said[0].FullyQualifiedErrorId | Should -BeLike 'SkLeaseHeld,*'
        (Read-SkLease -Drive D).Run | Should -Be 'run-1'
    }
    It 'can be taken when it has run out' {
        [void](Enter-SkLease @holder -Seconds -5 -AtLeast 0)
        (Enter-SkLease -Drive D -Run run-2 -Owner other -Seconds 600 -AtLeast 0).Run | Should -Be 'run-2'
    }
    It 'stops what follows its fence: <Why>' -ForEach @(
        @{ Why = 'another generation'; Change = @{ Generation = 2 } }
        @{ Why = 'another process of the run'; Change = @{ Owner = 'else' } }
        @{ Why = 'another run'; Change = @{ Run = 'run-2' } }
    ) {
        [void](Enter-SkLease @holder -Seconds 600 -AtLeast 0)
        $asked = $holder + @{ Generation = 1 }
        foreach ($name in $Change.Keys) { $asked[$name] = $Change[$name] }
        $seen = @{ Reached = $false }
        { Assert-SkLease @asked -ErrorAction Stop; $seen.Reached = $true } | Should -Throw -ExpectedMessage 'lease lost*'
        $seen.Reached | Should -BeFalse
        $global:SkLock | Should -BeNullOrEmpty
    }
    It 'keeps the lock from the fence until its end' {
        [void](Enter-SkLease @holder -Seconds 600 -AtLeast 0)
        Assert-SkLease @holder -Generation 1
        $global:SkLock | Should -Not -BeNullOrEmpty
        Clear-SkFence
        $global:SkLock | Should -BeNullOrEmpty
    }
    It 'is nobody''s when its file is cut off' {
        [void][IO.Directory]::CreateDirectory($root)
        [IO.File]::WriteAllText([IO.Path]::Combine($root, 'lease.txt'), "run-1`r`nci")
        Read-SkLease -Drive D | Should -BeNullOrEmpty
    }
}

Describe 'Open-SkLock' {
    It 'gives up after ten seconds that another process has the lock' {
        [void][IO.Directory]::CreateDirectory($root)
        Mock Start-Sleep { }
        $other = [IO.File]::Open([IO.Path]::Combine($root, 'lease.lock'), 'OpenOrCreate', 'ReadWrite', 'None')
        try { Open-SkLock -Drive D | Should -BeFalse } finally { $other.Close() }
        Should -Invoke Start-Sleep -Times 39 -Exactly -ParameterFilter { $Milliseconds -eq 250 }
        Open-SkLock -Drive D | Should -BeTrue
        Clear-SkFence
    }
}

Describe 'Protect-SkFolder' {
    BeforeAll {
        Mock Set-Acl { }
        Mock Get-Acl {
            New-Object PSObject -Property @{ Sddl = $sddl; Owner = $owner } |
                Add-Member ScriptMethod GetSecurityDescriptorSddlForm { param($Sections) if ($Sections -eq 'Owner') { $this.Owner } else { $this.Sddl } } -PassThru |
                Add-Member ScriptMethod SetSecurityDescriptorSddlForm { param($Sddl, $Sections) $this.Sddl = "$Sections $Sddl" } -PassThru
        }
    }
    It 'refuses a folder that <Why>' -ForEach @(
        @{ Why = 'a user made'; Owner = 'O:S-1-5-21-1-2-3-1001'; Sddl = 'D:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)' }
        @{ Why = 'inherits'; Sddl = 'D:AI(A;ID;FA;;;SY)(A;ID;FA;;;BA)' }
        @{ Why = 'users may read'; Sddl = 'D:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FR;;;BU)' }
        @{ Why = 'everybody may write'; Sddl = 'D:PAI(A;OICI;FA;;;WD)' }
        @{ Why = 'has no list at all'; Sddl = 'D:NO_ACCESS_CONTROL' }
    ) {
        if (-not $owner) { $owner = 'O:BA' }
        [void][IO.Directory]::CreateDirectory($root)
        { Protect-SkFolder -Drive D } | Should -Throw -ExpectedMessage 'SkFolderOpenToOthers'
        Should -Invoke Set-Acl -Times 0
    }
    It 'takes one that is closed' {
        $sddl = 'D:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)'
        $owner = 'O:SY'
        [void][IO.Directory]::CreateDirectory($root)
        Protect-SkFolder -Drive D
        Should -Invoke Set-Acl -Times 0
    }
    It 'closes one that it makes' {
        [IO.Directory]::Delete($root, $true)
        $sddl = 'D:AI(A;ID;FA;;;BU)'
        Protect-SkFolder -Drive D
        Should -Invoke Set-Acl -Times 1 -ParameterFilter { $AclObject.Sddl -eq 'Access, Owner O:BAD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)' }
    }
}

Describe 'Get-SkGuardScript' {
    It 'refuses a service named <_>' -ForEach @('a&b', '%PATH%', 'a b', 'a"', "a`n", 'a>b', ('a' * 81)) {
        $name = $_
        { Get-SkGuardScript -Drive D -Run run-1 -Number 1 -Minutes 3 -Service $name -Kind window } | Should -Throw -ExpectedMessage 'SkInvalidService'
    }
    It 'starts the services in their order, and writes lines that cmd.exe takes' {
        $lines = @(Get-SkGuardScript -Drive D -Run run-1 -Number 1 -Minutes 3 -Service 'FIRST', 'SECOND' -Kind window)
        ($lines -like 'call :service *') -join ',' | Should -Be 'call :service FIRST,call :service SECOND'
        @($lines | Where-Object { $_.Length -gt 8191 }) | Should -BeNullOrEmpty
        $labels = @($lines -match '^:' -replace '^:')
        foreach ($target in @($lines | Select-String -AllMatches '(?:goto |call :)(\w+)' | ForEach-Object { $_.Matches } | ForEach-Object { $_.Groups[1].Value })) {
            $labels | Should -Contain $target
        }
    }
}

Describe 'Remove-SkFolder' {
    It 'does not follow a link' {
        $outside = [IO.Path]::Combine("$TestDrive", 'outside')
        $inside = [IO.Path]::Combine($root, 'run-1', 'registry')
        foreach ($one in $outside, $inside) { [void][IO.Directory]::CreateDirectory($one) }
        [IO.File]::WriteAllText([IO.Path]::Combine($outside, 'kept.txt'), 'kept')
        [void][IO.Directory]::CreateSymbolicLink([IO.Path]::Combine($inside, 'link'), $outside)
        Remove-SkFolder -Drive D -Run run-1 -Name registry
        [IO.Directory]::Exists($inside) | Should -BeFalse
        [IO.File]::Exists([IO.Path]::Combine($outside, 'kept.txt')) | Should -BeTrue
    }
}

Describe 'The stage' {
    BeforeAll {
        $work = [IO.Path]::Combine("$TestDrive", 'Restore')
        $outside = [IO.Path]::Combine("$TestDrive", 'beside')
        foreach ($one in $work, $outside) { [void][IO.Directory]::CreateDirectory($one) }
        [IO.File]::WriteAllText([IO.Path]::Combine($work, 'sitekeeper-work.txt'), '')
        $stage = @{ Root = 'D:\Restore'; Run = 'run-1-stage' }
        $kept = [IO.Path]::Combine($outside, 'kept.txt')
    }
    BeforeEach {
        [IO.File]::WriteAllText($kept, 'kept')
        $folder = [IO.Path]::Combine($work, 'run-1-stage')
        if ([IO.Directory]::Exists($folder)) { [IO.Directory]::Delete($folder, $true) }
        [void][IO.Directory]::CreateDirectory($folder)
        [void][IO.Directory]::CreateSymbolicLink([IO.Path]::Combine($folder, 'link'), $outside)
        [void][IO.File]::CreateSymbolicLink([IO.Path]::Combine($folder, 'file.txt'), $kept)
    }
    It 'writes through no link: <_>' -ForEach @('link\kept.txt', 'file.txt', 'link\new.txt', 'link') {
        $entry = "3`t" + $_
        { Write-SkStage @stage -Entry $entry -Offset 0 -Data ([byte[]]@(1, 2, 3)) } | Should -Throw -ExpectedMessage 'SkLinkInPath'
        [IO.File]::ReadAllText($kept) | Should -Be 'kept'
        @([IO.Directory]::GetFileSystemEntries($outside)).Length | Should -Be 1
    }
    It 'is measured and deleted without what lies behind a link' {
        [void](Write-SkStage @stage -Entry "3`ta\b.txt" -Offset 0 -Data ([byte[]]@(1, 2, 3)))
        @(Measure-SkStage @stage).Length | Should -Be 1
        Remove-SkStage @stage
        [IO.Directory]::Exists($folder) | Should -BeFalse
        [IO.File]::ReadAllText($kept) | Should -Be 'kept'
    }
}

Describe 'Start-SkSetup' {
    BeforeAll {
        Mock Protect-SkFolder { [void][IO.Directory]::CreateDirectory($root) }
        $work = [IO.Path]::Combine("$TestDrive", 'Restore')
        $bin = [IO.Path]::Combine($work, 'run-1-stage', 'CD.Latest', 'SMSSETUP', 'BIN', 'X64')
        [void][IO.Directory]::CreateDirectory($bin)
        [IO.File]::WriteAllText([IO.Path]::Combine($work, 'sitekeeper-work.txt'), '')
        [IO.File]::WriteAllText([IO.Path]::Combine($bin, 'setup.exe'), 'MZ')
        $asked = @{ Drive = 'D'; Run = 'run-1'; Root = 'D:\Restore'; Step = 'setup'; Name = @() }
        function Get-Task([string]$Account, [string]$Logon, [string]$Command = 'D:\sitekeeper\setup.cmd', [string]$More = '') {
            '<?xml version="1.0" encoding="UTF-16"?><Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">' +
            "<Principals><Principal id=`"Author`"><UserId>$Account</UserId>$Logon</Principal></Principals>" +
            "<Actions Context=`"Author`"><Exec><Command>$Command</Command>$More</Exec></Actions></Task>"
        }
        # The tool itself: what it was asked stands in $ran.
        function global:schtasks.exe { $global:LASTEXITCODE = 0; if ($args -contains '/run') { $ran.Add("$args") } else { $xml } }
    }
    AfterAll { Remove-Item Function:\schtasks.exe }
    BeforeEach {
        $global:ran = New-Object Collections.ArrayList
        if ([IO.Directory]::Exists($root)) { [IO.Directory]::Delete($root, $true) }
    }
    It 'starts the task of an account with a password, once' {
        $global:xml = Get-Task 'LAB\installer' '<LogonType>Password</LogonType>'
        (Start-SkSetup @asked).Already | Should -BeFalse
        (Start-SkSetup @asked).Already | Should -BeTrue
        $ran.Count | Should -Be 1
        [IO.File]::ReadAllText([IO.Path]::Combine($root, 'setup.cmd')) | Should -BeLike '*"D:\Restore\run-1-stage\CD.Latest\SMSSETUP\BIN\X64\setup.exe" /script "D:\Restore\run-1-stage\recover.ini"*'
    }
    It 'starts nothing: <Why>' -ForEach @(
        @{ Why = 'SYSTEM'; Id = 'SkSetupWithoutPassword'; Task = @('S-1-5-18', '') }
        @{ Why = 'SYSTEM of a French Windows'; Id = 'SkSetupWithoutPassword'; Task = @('AUTORITE NT\Système', '<LogonType>ServiceAccount</LogonType>') }
        @{ Why = 'whoever is logged on'; Id = 'SkSetupWithoutPassword'; Task = @('LAB\installer', '<LogonType>InteractiveToken</LogonType>') }
        @{ Why = 'another program'; Id = 'SkOtherSetupTask'; Task = @('LAB\installer', '<LogonType>Password</LogonType>', 'C:\evil.cmd') }
        @{ Why = 'arguments'; Id = 'SkOtherSetupTask'; Task = @('LAB\installer', '<LogonType>Password</LogonType>', 'D:\sitekeeper\setup.cmd', '<Arguments>x</Arguments>') }
    ) {
        $global:xml = Get-Task @Task
        $said = $null
        Start-SkSetup @asked -ErrorVariable said -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        $said[-1].FullyQualifiedErrorId | Should -BeLike "$Id,*"
        $ran.Count | Should -Be 0
        [IO.File]::Exists([IO.Path]::Combine($root, 'setup.cmd')) | Should -BeFalse
    }
}

Describe 'Where WMI does not answer' {
    BeforeEach {
        $ErrorActionPreference = 'Continue'  # as in a session of ours; what runs these tests has Stop
        # As Windows' own does: its error ends nothing by itself.
        function Get-WmiObject { [CmdletBinding()] param([string]$Class) Write-Error -Message "no $Class" -ErrorId 'GetWMIManagementException' }
        $run = @{ Drive = 'D'; Run = 'run-1' }
        $folder = [IO.Path]::Combine($root, 'run-1', 'shadow')
        if ([IO.Directory]::Exists($root)) { [IO.Directory]::Delete($root, $true) }
        [void][IO.Directory]::CreateDirectory($folder)
    }
    It 'nothing of a shadow copy set is taken for gone: <Name>' -ForEach @(
        @{ Name = 'mark.txt'; Text = "set {00000000-0000-4000-8000-000000000001}`r`ncopy 0 x {00000000-0000-4000-8000-000000000002}`r`n" }
        @{ Name = 'before.txt'; Text = "volume 00000000-0000-4000-8000-000000000003`r`n" }
    ) {
        $file = [IO.Path]::Combine($folder, $Name)
        [IO.File]::WriteAllText($file, $Text)
        { Remove-SkShadowSet @run } | Should -Throw -ErrorId 'GetWMIManagementException*'
        [IO.File]::ReadAllText($file) | Should -Be $Text
    }
    It 'what Windows drops meanwhile is gone, and what stays is named with the reason: <Looks> looks' -ForEach @(@{ Looks = 2; Left = 0 }, @{ Looks = 3; Left = 1 }) {
        $copy = '{00000000-0000-4000-8000-000000000002}'
        [IO.File]::WriteAllText([IO.Path]::Combine($folder, 'mark.txt'), "set {00000000-0000-4000-8000-000000000001}`r`ncopy 0 x $copy`r`n")
        $global:looks = $Looks
        function Get-WmiObject { [CmdletBinding()] param([string]$Class) if ($global:looks-- -gt 0) { @{ ID = $copy; SetID = '' } } }
        function Remove-WmiObject { [CmdletBinding()] param([string]$Path) Write-Error -Message "no $Path" -ErrorId 'RemoveWMIManagementException' }
        $said = $null
        Remove-SkShadowSet @run -ErrorVariable said -ErrorAction SilentlyContinue | Should -BeNullOrEmpty
        @($said | Where-Object { $_.FullyQualifiedErrorId -like 'SkShadowCopyLeft*' }).Count | Should -Be $Left
        [IO.Directory]::Exists($folder) | Should -Be ($Left -eq 1)
        if ($Left) { $said[-1].ToString() | Should -BeLike "*still there: $copy no Win32_ShadowCopy.ID=*" }
    }
    It 'no list is made that would call every copy new' {
        { Write-SkShadowList @run -Volume @('00000000-0000-4000-8000-000000000003') } | Should -Throw -ErrorId 'GetWMIManagementException*'
        [IO.Directory]::GetFileSystemEntries($folder) | Should -BeNullOrEmpty
    }
    It 'no guard is written for a Windows and volumes that nobody knows: <Kind>' -ForEach @(@{ Kind = 'window' }, @{ Kind = 'leak' }) {
        { Get-SkGuardScript @run -Number 1 -Minutes 30 -Service @() -Kind $Kind } | Should -Throw -ErrorId 'GetWMIManagementException*'
    }
    It 'no leak guard is written that looks at no volume' {
        function Get-WmiObject {
            [CmdletBinding()] param([string]$Class)
            if ($Class -eq 'Win32_Volume') { Write-Error -Message "no $Class" -ErrorId 'GetWMIManagementException' } else { @{ Version = '6.3.9600' } }
        }
        { Get-SkGuardScript @run -Number 1 -Minutes 30 -Service @() -Kind leak } | Should -Throw -ErrorId 'GetWMIManagementException*'
    }
}
