function Remove-SkShadowSet {
    # Drops this run's shadow copies, by the ids that were written down when they were made, and their links.
    # Never another's, and none that may be another's. Twice does no harm; answers what is still there.
    # Where WMI does not answer, nothing is known to be gone: the folder with the mark must stay.
    [CmdletBinding()]
    param([string]$Drive, [string]$Run)
    trap { break }  # a failed .NET call would only end its statement
    $folder = Get-SkFolder -Drive $Drive -Run $Run -Name 'shadow'
    if (-not [IO.Directory]::Exists($folder)) {
        # A guard may have dropped it, and left the run's folder around it.
        Remove-SkFolder -Drive $Drive -Run $Run -Name 'shadow'
        return
    }
    $plain = $Drive + ':\sitekeeper\' + $Run + '\shadow'
    # The mark, and what vshadow itself wrote: a run that was cut off between the two left only the latter.
    $sets = @()
    $ids = @()
    $why = @()
    foreach ($name in @('mark.txt', 'setvar.cmd')) {
        $file = [IO.Path]::Combine($folder, $name)
        if (-not [IO.File]::Exists($file)) { continue }
        foreach ($line in [IO.File]::ReadAllText($file).Replace("`r", '').Split("`n")) {
            $word = $line.Split(' ')
            if ($word[0] -eq 'copy') { $ids += $word[3] }
            if ($line -match '^(set |SET V?SHADOW_SET_ID=)(\{[0-9a-f-]{36}\})\s*$') { $sets += $matches[2] }
        }
    }
    $list = [IO.Path]::Combine($folder, 'before.txt')
    if ($sets.Length -eq 0 -and $ids.Length -eq 0 -and [IO.File]::Exists($list)) {
        # They were to be made, and no mark says which they are: what has come since may be ours, or another program's.
        $known = @([IO.File]::ReadAllText($list).Replace("`r", '').Split("`n"))
        $perhaps = @()
        foreach ($one in @(Get-WmiObject -Class Win32_ShadowCopy -ErrorAction Stop)) {
            $on = [string]$one.VolumeName -match '\{([0-9a-f-]{36})\}' -and $known -contains ('volume ' + $matches[1])
            if ($on -and $known -notcontains ('copy ' + $one.ID)) { $perhaps += $one.ID }
        }
        if ($perhaps.Length -gt 0) {
            Write-Error -Message ('perhaps made by this run, and not marked: ' + ($perhaps -join ' ')) -ErrorId 'SkShadowCopyUnmarked' -Category ResourceExists -TargetObject $Run
            return
        }
    }
    foreach ($one in @(Get-WmiObject -Class Win32_ShadowCopy -ErrorAction Stop)) { if ($sets -contains $one.SetID) { $ids += $one.ID } }
    foreach ($one in [IO.Directory]::GetDirectories($folder)) {
        $name = [IO.Path]::GetFileName($one)
        if ($name -match '^[0-9]+$') { [void](& mountvol.exe ($plain + '\' + $name) /D 2>&1) }
    }
    foreach ($one in @(Get-WmiObject -Class Win32_ShadowCopy -ErrorAction Stop)) {
        foreach ($id in $ids) {
            if ($one.ID -ne $id) { continue }
            # Windows may have dropped it meanwhile; only what is left below is a failure.
            Remove-WmiObject -Path ("Win32_ShadowCopy.ID='" + $one.ID + "'") -ErrorAction SilentlyContinue -ErrorVariable '+why'
            break
        }
    }
    $left = @()
    foreach ($one in @(Get-WmiObject -Class Win32_ShadowCopy -ErrorAction Stop)) { if ($ids -contains $one.ID) { $left += $one.ID } }
    if ($left.Length -gt 0) {
        Write-Error -Message ('shadow copies still there: ' + ($left -join ' ') + ' ' + ($why -join ' ')) -ErrorId 'SkShadowCopyLeft' -Category ResourceBusy -TargetObject $Run
        return
    }
    Remove-SkFolder -Drive $Drive -Run $Run -Name 'shadow'
}
