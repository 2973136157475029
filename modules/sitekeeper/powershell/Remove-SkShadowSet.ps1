function Remove-SkShadowSet {
    # Drops this run's shadow copies, by the ids that were written down when they were made, and their links.
    # Never another's. Twice does no harm; answers what is still there.
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
    foreach ($name in @('mark.txt', 'setvar.cmd')) {
        $file = [IO.Path]::Combine($folder, $name)
        if (-not [IO.File]::Exists($file)) { continue }
        foreach ($line in [IO.File]::ReadAllText($file).Replace("`r", '').Split("`n")) {
            $word = $line.Split(' ')
            if ($word[0] -eq 'copy') { $ids += $word[3] }
            if ($line -match '^(set |SET V?SHADOW_SET_ID=)(\{[0-9a-f-]{36}\})\s*$') { $sets += $matches[2] }
        }
    }
    foreach ($one in @(Get-WmiObject -Class Win32_ShadowCopy)) { if ($sets -contains $one.SetID) { $ids += $one.ID } }
    foreach ($one in [IO.Directory]::GetDirectories($folder)) {
        $name = [IO.Path]::GetFileName($one)
        if ($name -match '^[0-9]+$') { [void](& mountvol.exe ($plain + '\' + $name) /D 2>&1) }
    }
    foreach ($one in @(Get-WmiObject -Class Win32_ShadowCopy)) {
        foreach ($id in $ids) {
            if ($one.ID -eq $id) { Remove-WmiObject -Path ("Win32_ShadowCopy.ID='" + $one.ID + "'") ; break }
        }
    }
    $left = @()
    foreach ($one in @(Get-WmiObject -Class Win32_ShadowCopy)) { if ($ids -contains $one.ID) { $left += $one.ID } }
    if ($left.Length -gt 0) {
        Write-Error -Message ('shadow copies still there: ' + ($left -join ' ')) -ErrorId 'SkShadowCopyLeft' -Category ResourceBusy -TargetObject $Run
        return
    }
    Remove-SkFolder -Drive $Drive -Run $Run -Name 'shadow'
}
