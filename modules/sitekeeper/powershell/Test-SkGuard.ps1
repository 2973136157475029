function Test-SkGuard {
    # What became of a guard: whether its task is registered, whether it was seen to have run since it was armed, how many runs
    # in a row found no beat, whether it has begun to act, whether it is through, and what it wrote. Reads only.
    [CmdletBinding()]
    param([string]$Drive, [string]$Run, [int]$Number)
    trap { break }  # a failed .NET call would only end its statement
    if (-not $Run) { throw 'SkInvalidRun' }
    $folder = [IO.Path]::Combine((Get-SkFolder -Drive $Drive -Run $Run -Name 'guard'), [string]$Number)
    $name = 'sitekeeper-' + $Run + '-' + $Number
    $system = @(Get-WmiObject -Class Win32_OperatingSystem)[0]
    $global:LASTEXITCODE = -1
    if ($system.Version -like '5.*') {
        # This schtasks cannot be asked for one task.
        $listed = @(& schtasks.exe /query /fo csv /nh 2>&1 | ForEach-Object { [string]$_ })
        $registered = [bool]@($listed | Where-Object { $_ -like ('"' + $name + '",*') }).Length
    } else {
        [void](& schtasks.exe /query /tn $name 2>&1)
        $registered = ($LASTEXITCODE -eq 0)
    }
    $count = -1
    $written = ''
    $there = @{}
    foreach ($file in @('guard.cmd', 'seen.txt', 'beat.txt', 'acting.txt', 'done.txt', 'acted.txt')) {
        $there[$file] = [IO.File]::Exists([IO.Path]::Combine($folder, $file))
    }
    if ($there['guard.cmd']) {
        foreach ($file in [IO.Directory]::GetFiles($folder, '*.count')) { $count = [int][IO.Path]::GetFileNameWithoutExtension($file) }
    }
    if ($there['acted.txt']) { $written = [IO.File]::ReadAllText([IO.Path]::Combine($folder, 'acted.txt')) }
    New-Object PSObject -Property @{
        Registered = $registered; Seen = $there['seen.txt']; Count = $count; Beat = $there['beat.txt']
        Acting = $there['acting.txt']; Done = $there['done.txt']; Written = $written
    }
}
