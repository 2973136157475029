function New-SkShadowSet {
    # One diskshadow set over all given volumes: persistent, no auto-recovery, a copy backup (no BEGIN BACKUP), without the
    # writers whose ids are given. The script
    # itself writes the set's id down straight after CREATE and exposes the copies below the run's work folder.
    # Answers what was seen: service states before and after, the transcript, the mark, the backup document.
    # Whether that is a success is judged by the caller; diskshadow's exit code says little.
    [CmdletBinding()]
    param([string]$Drive, [string]$Run, [string[]]$Volume, [string[]]$Service, [string[]]$Exclude)
    trap { break }  # a failed .NET call would only end its statement
    if ($null -eq $Volume) { $Volume = @() }  # or 2.0 goes once through its foreach, with nothing
    if ($null -eq $Exclude) { $Exclude = @() }
    foreach ($id in $Exclude) { if ($id -cnotmatch '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\z') { throw 'SkInvalidWriter' } }
    $folder = Get-SkFolder -Drive $Drive -Run $Run -Name 'shadow'
    Protect-SkFolder -Drive $Drive
    if ([IO.Directory]::Exists($folder)) { throw 'SkShadowSetExists' }
    [void][IO.Directory]::CreateDirectory($folder)
    $plain = $Drive + ':\sitekeeper\' + $Run + '\shadow'
    $names = @()
    foreach ($id in $Volume) { $names += (Get-SkVolume -Id $id) }

    $script = @('set verbose on', 'set context persistent', 'set option noautorecover', ('set metadata ' + $plain + '\metadata.cab'))
    foreach ($id in $Exclude) { $script += ('writer exclude {' + $id + '}') }
    $mark = @('@echo off', ('>"' + $plain + '\mark.txt" echo run ' + $Run), ('>>"' + $plain + '\mark.txt" echo set %VSS_SHADOW_SET%'))
    for ($i = 0; $i -lt $names.Length; $i++) {
        $script += ('add volume ' + $names[$i] + ' alias sk' + $i)
        $mark += ('>>"' + $plain + '\mark.txt" echo copy ' + $i + ' ' + $Volume[$i] + ' %sk' + $i + '%')
        [void][IO.Directory]::CreateDirectory([IO.Path]::Combine($folder, [string]$i))
    }
    $script += 'create'
    $script += ('exec ' + $plain + '\mark.cmd')
    for ($i = 0; $i -lt $names.Length; $i++) { $script += ('expose %sk' + $i + '% ' + $plain + '\' + $i) }
    $script += 'exit'
    [IO.File]::WriteAllText([IO.Path]::Combine($folder, 'mark.cmd'), [string]::Join("`r`n", $mark) + "`r`n", [Text.Encoding]::ASCII)
    [IO.File]::WriteAllText([IO.Path]::Combine($folder, 'set.dsh'), [string]::Join("`r`n", $script) + "`r`n", [Text.Encoding]::ASCII)

    Write-SkShadowList -Drive $Drive -Run $Run -Volume $Volume
    $before = @(Get-SkState -Service $Service)
    $global:LASTEXITCODE = -1
    $transcript = @(& diskshadow.exe /s ($plain + '\set.dsh') 2>&1 | ForEach-Object { [string]$_ })
    $code = $LASTEXITCODE
    $after = @(Get-SkState -Service $Service)
    $written = ''
    $file = [IO.Path]::Combine($folder, 'mark.txt')
    if ([IO.File]::Exists($file)) { $written = [IO.File]::ReadAllText($file) }
    $document = ''
    $cab = [IO.Path]::Combine($folder, 'metadata.cab')
    if ([IO.File]::Exists($cab)) {
        $out = [IO.Path]::Combine($folder, 'metadata')
        [void][IO.Directory]::CreateDirectory($out)
        [void](& expand.exe ($plain + '\metadata.cab') '-F:BCDocument.xml' ($plain + '\metadata') 2>&1)
        $xml = [IO.Path]::Combine($out, 'BCDocument.xml')
        if ([IO.File]::Exists($xml)) { $document = [IO.File]::ReadAllText($xml) }
    }
    New-Object PSObject -Property @{ ExitCode = $code; Transcript = [string]::Join("`n", $transcript); Mark = $written; Document = $document; Before = $before; After = $after }
}
