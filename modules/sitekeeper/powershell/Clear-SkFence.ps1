function Clear-SkFence {
    # Last statement of every pipeline that changes something: gives up the lock that Assert-SkLease took. Twice does no harm.
    [CmdletBinding()]
    param()
    trap { break }  # a failed .NET call would only end its statement
    if ($global:SkLock) { $global:SkLock.Close() }
    $global:SkLock = $null
}
