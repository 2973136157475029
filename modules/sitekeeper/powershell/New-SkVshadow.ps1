function New-SkVshadow {
    # Server 2003 with the operator's vshadow.exe in the work root: one persistent set over all given volumes, without the
    # SMS Writer (it would restart what we stopped) and, unless SqlWriter, without SqlServerWriter. Answers what
    # New-SkShadowSet answers, without a document: this vshadow leaves no proof of the writers' part in it.
    # The ids come from the SETVAR script that vshadow writes straight after the copies are made; Microsoft's page calls its
    # variables VSHADOW_..., the published source SHADOW_...: both are taken.
    [CmdletBinding()]
    param([string]$Drive, [string]$Run, [string[]]$Volume, [string[]]$Service, [bool]$SqlWriter)
    trap { break }  # a failed .NET call would only end its statement
    Protect-SkFolder -Drive $Drive
    $tool = [IO.Path]::Combine((Get-SkFolder -Drive $Drive), 'vshadow.exe')
    if (-not [IO.File]::Exists($tool)) { throw 'SkVshadowMissing' }
    $folder = Get-SkFolder -Drive $Drive -Run $Run -Name 'shadow'
    if ([IO.Directory]::Exists($folder)) { throw 'SkShadowSetExists' }
    [void][IO.Directory]::CreateDirectory($folder)
    $plain = $Drive + ':\sitekeeper\' + $Run + '\shadow'
    $arguments = @('-p', '-wx={03ba67dd-dc6d-4729-a038-251f7018463b}')
    if (-not $SqlWriter) { $arguments += '-wx={a65faa63-5ea8-4ebc-9dbd-a0c4db26912a}' }
    $arguments += ('-script=' + $plain + '\setvar.cmd')
    for ($i = 0; $i -lt $Volume.Length; $i++) {
        # Without its last backslash: a name with spaces gets quotes, and a backslash would take the closing one with it.
        $arguments += (Get-SkVolume -Id $Volume[$i]).TrimEnd('\')
        [void][IO.Directory]::CreateDirectory([IO.Path]::Combine($folder, [string]$i))
    }

    Write-SkShadowList -Drive $Drive -Run $Run -Volume $Volume
    $before = @(Get-SkState -Service $Service)
    $global:LASTEXITCODE = -1
    $transcript = @(& $tool $arguments 2>&1 | ForEach-Object { [string]$_ })
    $code = $LASTEXITCODE
    $after = @(Get-SkState -Service $Service)
    $set = ''
    $ids = @{}
    $file = [IO.Path]::Combine($folder, 'setvar.cmd')
    if ([IO.File]::Exists($file)) {
        foreach ($line in [IO.File]::ReadAllText($file).Replace("`r", '').Split("`n")) {
            if ($line -match '^SET V?SHADOW_SET_ID=(\{[0-9a-f-]{36}\})\s*$') { $set = $matches[1] }
            if ($line -match '^SET V?SHADOW_ID_([0-9]+)=(\{[0-9a-f-]{36}\})\s*$') { $ids[$matches[1]] = $matches[2] }
        }
    }
    $written = ''
    if ($set) {
        $lines = @(('run ' + $Run), ('set ' + $set))
        for ($i = 0; $i -lt $Volume.Length; $i++) {
            if ($ids.ContainsKey([string]($i + 1))) { $lines += ('copy ' + $i + ' ' + $Volume[$i] + ' ' + $ids[[string]($i + 1)]) }
        }
        $written = [string]::Join("`r`n", $lines) + "`r`n"
        [IO.File]::WriteAllText([IO.Path]::Combine($folder, 'mark.txt'), $written, [Text.Encoding]::ASCII)
        for ($i = 0; $i -lt $Volume.Length; $i++) {
            if (-not $ids.ContainsKey([string]($i + 1))) { continue }
            $transcript += @(& $tool ('-el=' + $ids[[string]($i + 1)] + ',' + $plain + '\' + $i) 2>&1 | ForEach-Object { [string]$_ })
            if ($LASTEXITCODE -ne 0) { $code = $LASTEXITCODE }
        }
    }
    New-Object PSObject -Property @{ ExitCode = $code; Transcript = [string]::Join("`n", $transcript); Mark = $written; Document = ''; Before = $before; After = $after }
}
