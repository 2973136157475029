function Get-SkWorkFolder {
    # A run's folder, or a file in it, below the folder that the operator made and opened to SQL Server (sql_work_dir), as a
    # native path. Root is the one path that a function of ours is given: it must be plain and hold the operator's marker
    # file, so that nothing is written or deleted below any other folder. Below it a link is refused.
    [CmdletBinding()]
    param([string]$Root, [string]$Run, [string]$Name)
    trap { break }  # a failed .NET call would only end its statement
    if ($Root -cnotmatch '\A[A-Za-z]:(\\[^\\/:*?"<>|\x00-\x1f]*[^\\/:*?"<>|\x00-\x1f. ])+\z') { throw 'SkInvalidRoot' }
    $native = Get-SkNative -Path $Root
    if (-not [IO.File]::Exists([IO.Path]::Combine($native, 'sitekeeper-work.txt'))) { throw 'SkNoMarker' }
    $words = @()
    if ($Run) {
        if ($Run -cnotmatch '\A[0-9a-z][0-9a-z-]{0,63}\z') { throw 'SkInvalidRun' }
        $words += $Run
    }
    if ($Name) {
        if (-not $Run -or $Name -cnotmatch '\A[A-Za-z0-9_]([A-Za-z0-9_. $()-]{0,126}[A-Za-z0-9_$()])?\z') { throw 'SkInvalidName' }
        if ($Name -match '\A(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|\z)') { throw 'SkInvalidName' }
        $words += $Name
    }
    foreach ($word in $words) {
        $native = [IO.Path]::Combine($native, $word)
        $there = [IO.File]::Exists($native) -or [IO.Directory]::Exists($native)
        if ($there -and ([int][IO.File]::GetAttributes($native) -band 1024)) { throw 'SkLinkInPath' }
    }
    $native
}
