function Get-SkNative {
    # A path of this host as .NET opens it. On Windows that is the path itself; this also lets a drive be a folder elsewhere.
    # Only for our other functions: in a session that shows no provider, a function that the client called cannot ask
    # this itself ("Cannot find a provider with the name 'FileSystem'"), one that a function called can.
    [CmdletBinding()]
    param([string]$Path)
    trap { break }  # a failed .NET call would only end its statement
    $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($Path)
}
