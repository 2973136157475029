function Measure-SkInbox {
    # How many files wait in each inbox of the site, and how long its component manager's log is: what tells a site
    # that settled after a start from one that hangs. Path is the install folder, relative to the drive's root.
    [CmdletBinding()]
    param([string]$Drive, [string]$Path)
    trap { break }  # a failed .NET call would only end its statement
    if ($Drive -cnotmatch '^[A-Z]$') { throw 'SkInvalidDrive' }
    if ($Path -match '(^|\\)\.\.(\\|$)' -or $Path -match '[:/*?"<>|]' -or $Path.StartsWith('\')) { throw 'SkInvalidPath' }
    $start = Get-SkNative -Path ($Drive + ':\' + $Path)
    $counts = @()
    $inboxes = [IO.Path]::Combine($start, 'inboxes')
    if ([IO.Directory]::Exists($inboxes)) {
        foreach ($one in [IO.Directory]::GetDirectories($inboxes)) {
            $counts += ([IO.Path]::GetFileName($one) + "`t" + [IO.Directory]::GetFiles($one).Length)
        }
    }
    $log = [long]0
    foreach ($folder in @('logs', 'Logs')) {
        $file = [IO.Path]::Combine([IO.Path]::Combine($start, $folder), 'sitecomp.log')
        if ([IO.File]::Exists($file)) { $log = (New-Object IO.FileInfo($file)).Length }
    }
    New-Object PSObject -Property @{ Inboxes = [string]::Join("`n", $counts); Log = $log }
}
