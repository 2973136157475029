function Remove-SkFolder {
    # Deletes one named part (registry or shadow) of the run's work folder, and that folder once it is empty.
    # Never follows a link. Twice does no harm.
    [CmdletBinding()]
    param([string]$Drive, [string]$Run, [string]$Name)
    trap { break }  # a failed .NET call would only end its statement
    if (-not $Run -or -not $Name) { throw 'SkInvalidName' }
    $folder = Get-SkFolder -Drive $Drive -Run $Run -Name $Name
    $todo = @()
    if ([IO.Directory]::Exists($folder)) { $todo = @($folder) }
    $done = @()
    while ($todo.Length -gt 0) {
        $next = @()
        foreach ($one in $todo) {
            $done = @($one) + $done
            foreach ($file in [IO.Directory]::GetFiles($one)) {
                [IO.File]::SetAttributes($file, 'Normal')
                [IO.File]::Delete($file)
            }
            foreach ($child in [IO.Directory]::GetDirectories($one)) {
                $attributes = [int][IO.File]::GetAttributes($child)
                if ($attributes -band 1024) { [IO.Directory]::Delete($child) } else { $next += $child }
            }
        }
        $todo = $next
    }
    foreach ($one in $done) { [IO.Directory]::Delete($one) }
    $parent = Get-SkFolder -Drive $Drive -Run $Run
    if ([IO.Directory]::Exists($parent) -and [IO.Directory]::GetFileSystemEntries($parent).Length -eq 0) { [IO.Directory]::Delete($parent) }
}
