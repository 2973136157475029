function Remove-SkShadowSet {
    # Drops this run's shadow copies, by the ids that were written down when they were made, and their links.
    # Never another's. Twice does no harm; answers what is still there.
    [CmdletBinding()]
    param([string]$Drive, [string]$Run)
    trap { break }  # a failed .NET call would only end its statement
    $folder = Get-SkFolder -Drive $Drive -Run $Run -Name 'shadow'
    if (-not [IO.Directory]::Exists($folder)) { return }
    $plain = $Drive + ':\sitekeeper\' + $Run + '\shadow'
    $file = [IO.Path]::Combine($folder, 'mark.txt')
    $ids = @()
    if ([IO.File]::Exists($file)) {
        foreach ($line in [IO.File]::ReadAllText($file).Replace("`r", '').Split("`n")) {
            $word = $line.Split(' ')
            if ($word[0] -eq 'set' -and $word[1] -match '^\{') {
                foreach ($one in @(Get-WmiObject -Class Win32_ShadowCopy)) { if ($one.SetID -eq $word[1]) { $ids += $one.ID } }
            }
            if ($word[0] -eq 'copy') { $ids += $word[3] }
        }
    }
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
