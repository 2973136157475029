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
            New-Object PSObject -Property @{ Sddl = $sddl } |
                Add-Member ScriptMethod GetSecurityDescriptorSddlForm { param($Sections) $this.Sddl } -PassThru |
                Add-Member ScriptMethod SetSecurityDescriptorSddlForm { param($Sddl, $Sections) $this.Sddl = "$Sections $Sddl" } -PassThru
        }
    }
    It 'refuses a folder that <Why>' -ForEach @(
        @{ Why = 'inherits'; Sddl = 'D:AI(A;ID;FA;;;SY)(A;ID;FA;;;BA)' }
        @{ Why = 'users may read'; Sddl = 'D:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FR;;;BU)' }
        @{ Why = 'everybody may write'; Sddl = 'D:PAI(A;OICI;FA;;;WD)' }
        @{ Why = 'has no list at all'; Sddl = 'D:NO_ACCESS_CONTROL' }
    ) {
        [void][IO.Directory]::CreateDirectory($root)
        { Protect-SkFolder -Drive D } | Should -Throw -ExpectedMessage 'SkFolderOpenToOthers'
        Should -Invoke Set-Acl -Times 0
    }
    It 'takes one that is closed' {
        $sddl = 'D:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)'
        [void][IO.Directory]::CreateDirectory($root)
        Protect-SkFolder -Drive D
        Should -Invoke Set-Acl -Times 0
    }
    It 'closes one that it makes' {
        [IO.Directory]::Delete($root, $true)
        $sddl = 'D:AI(A;ID;FA;;;BU)'
        Protect-SkFolder -Drive D
        Should -Invoke Set-Acl -Times 1 -ParameterFilter { $AclObject.Sddl -eq 'Access D:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)' }
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
