function Exit-SkLease {
    # Gives the lease back if this run holds it, and drops the run's work folder if it is empty. Twice does no harm.
    [CmdletBinding()]
    param([string]$Drive, [string]$Run)
    trap { break }  # a failed .NET call would only end its statement
    $held = Read-SkLease -Drive $Drive
    $folder = Get-SkFolder -Drive $Drive -Run $Run
    if ([IO.Directory]::Exists($folder) -and [IO.Directory]::GetFileSystemEntries($folder).Length -eq 0) { [IO.Directory]::Delete($folder) }
    if ($held -and $held.Run -eq $Run) { [IO.File]::Delete([IO.Path]::Combine((Get-SkFolder -Drive $Drive), 'lease.txt')) }
}
