function Read-SkTaskControl {
    # SHA-256 of the two files that steer the site's backup task, in hexadecimal; empty for one that is not there. They are never
    # changed by us. Path is the install folder, relative to the drive's root.
    [CmdletBinding()]
    param([string]$Drive, [string]$Path)
    trap { break }  # a failed .NET call would only end its statement
    if ($Drive -cnotmatch '^[A-Z]$') { throw 'SkInvalidDrive' }
    if ($Path -match '(^|\\)\.\.(\\|$)' -or $Path -match '[:/*?"<>|]' -or $Path.StartsWith('\')) { throw 'SkInvalidPath' }
    $box = [IO.Path]::Combine([IO.Path]::Combine((Get-SkNative -Path ($Drive + ':\' + $Path)), 'inboxes'), 'smsbkup.box')
    $sums = @()
    foreach ($name in @('smsbkup.ctl', 'AfterBackup.bat')) {
        $file = [IO.Path]::Combine($box, $name)
        $sum = ''
        if ([IO.File]::Exists($file)) {
            $stream = New-Object IO.FileStream($file, [IO.FileMode]::Open, [IO.FileAccess]::Read, [IO.FileShare]::ReadWrite, 4096)
            try { $sum = [BitConverter]::ToString((New-Object Security.Cryptography.SHA256Managed).ComputeHash($stream)).Replace('-', '').ToLower() } finally { $stream.Close() }
        }
        $sums += $sum
    }
    New-Object PSObject -Property @{ Control = $sums[0]; After = $sums[1] }
}
