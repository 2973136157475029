function Remove-SkStage {
    # Deletes all that a run has laid beside a site. Never follows a link. Twice does no harm.
    [CmdletBinding()]
    param([string]$Root, [string]$Run)
    trap { break }  # a failed .NET call would only end its statement
    if (-not $Run) { throw 'SkInvalidRun' }
    $top = Get-SkWorkFolder -Root $Root -Run $Run
    $todo = @()
    if ([IO.Directory]::Exists($top)) { $todo = @($top) }
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
                if ([int][IO.File]::GetAttributes($child) -band 1024) { [IO.Directory]::Delete($child) } else { $next += $child }
            }
        }
        $todo = $next
    }
    foreach ($one in $done) { [IO.Directory]::Delete($one) }
}
