function Remove-SkWorkFile {
    # Deletes files of the run's folder below the work folder of SQL Server, or without Name all that is in it; then the folder
    # itself once it is empty. Never follows a link. Twice does no harm.
    [CmdletBinding()]
    param([string]$Root, [string]$Run, [string[]]$Name)
    trap { break }  # a failed .NET call would only end its statement
    if ($null -eq $Name) { $Name = @() }  # or 2.0 goes once through its foreach, with nothing
    if (-not $Run) { throw 'SkInvalidRun' }
    $folder = Get-SkWorkFolder -Root $Root -Run $Run
    if (-not [IO.Directory]::Exists($folder)) { return }
    $files = @()
    foreach ($one in $Name) {
        if (-not $one) { throw 'SkInvalidName' }
        $files += Get-SkWorkFolder -Root $Root -Run $Run -Name $one
    }
    if (-not $Name) { $files = [IO.Directory]::GetFiles($folder) }
    foreach ($file in $files) {
        if ([IO.File]::Exists($file)) {
            [IO.File]::SetAttributes($file, 'Normal')
            [IO.File]::Delete($file)
        }
    }
    if ([IO.Directory]::GetFileSystemEntries($folder).Length -eq 0) { [IO.Directory]::Delete($folder) }
}
