function Get-SkFolder {
    # The work folder of a run on this host, as a native path. Everything that we write on a host lies below it.
    # Takes a drive letter and ids, never a path; both are checked before a path is made of them.
    [CmdletBinding()]
    param([string]$Drive, [string]$Run, [string]$Name)
    trap { break }  # a failed .NET call would only end its statement
    if ($Drive -cnotmatch '\A[A-Z]\z') { throw 'SkInvalidDrive' }
    $path = $Drive + ':\sitekeeper'
    if ($Run) {
        if ($Run -cnotmatch '\A[0-9a-z][0-9a-z-]{0,63}\z') { throw 'SkInvalidRun' }
        $path = $path + '\' + $Run
    }
    if ($Name) {
        if ($Name -cnotmatch '\A[a-z0-9]([a-z0-9.-]{0,30}[a-z0-9])?\z') { throw 'SkInvalidName' }
        $path = $path + '\' + $Name
    }
    Get-SkNative -Path $path
}
