function Exit-SkLease {
    # Gives the lease back if this process of this run holds it, and drops the run's work folder if it is empty. Twice does no harm.
    [CmdletBinding()]
    param([string]$Drive, [string]$Run, [string]$Owner)
    trap { break }  # a failed .NET call would only end its statement
    $held = Read-SkLease -Drive $Drive
    $folder = Get-SkFolder -Drive $Drive -Run $Run
    if ([IO.Directory]::Exists($folder) -and [IO.Directory]::GetFileSystemEntries($folder).Length -eq 0) { [IO.Directory]::Delete($folder) }
    if ($held -and $held.Run -eq $Run -and $held.Owner -eq $Owner) { [IO.File]::Delete([IO.Path]::Combine((Get-SkFolder -Drive $Drive), 'lease.txt')) }
}
