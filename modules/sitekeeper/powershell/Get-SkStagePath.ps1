function Get-SkStagePath {
    # A file or folder of what a run lays beside a site, below the folder that the operator marked, as a native path. Path is
    # relative and every word of it a plain name; a link on the way is refused.
    [CmdletBinding()]
    param([string]$Root, [string]$Run, [string]$Path)
    trap { break }  # a failed .NET call would only end its statement
    if (-not $Run) { throw 'SkInvalidRun' }
    $native = Get-SkWorkFolder -Root $Root -Run $Run
    foreach ($word in $Path.Split('\')) {
        if ($word -notmatch '\A[^/:*?"<>|\x00-\x1f]*[^/:*?"<>|\x00-\x1f. ]\z') { throw 'SkInvalidPath' }
        if ($word -match '\A(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|\z)') { throw 'SkInvalidPath' }
        $native = [IO.Path]::Combine($native, $word)
        $there = [IO.File]::Exists($native) -or [IO.Directory]::Exists($native)
        if ($there -and ([int][IO.File]::GetAttributes($native) -band 1024)) { throw 'SkLinkInPath' }
    }
    $native
}
