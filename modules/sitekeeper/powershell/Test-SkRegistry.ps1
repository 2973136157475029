function Test-SkRegistry {
    # Whether one of the site's registry keys exists in a view, and whether this run has exported it.
    # Name is SMS or NAL; View is native or wow (what 32-bit programs see on a 64-bit Windows).
    [CmdletBinding()]
    param([string]$Drive, [string]$Run, [string]$Name, [string]$View)
    trap { break }  # a failed .NET call would only end its statement
    if (@('SMS', 'NAL') -cnotcontains $Name) { throw 'SkInvalidName' }
    if (@('native', 'wow') -cnotcontains $View) { throw 'SkInvalidView' }
    $branch = 'SOFTWARE\Microsoft\' + $Name
    if ($View -eq 'wow') { $branch = 'SOFTWARE\Wow6432Node\Microsoft\' + $Name }
    $file = [IO.Path]::Combine((Get-SkFolder -Drive $Drive -Run $Run -Name 'registry'), ($Name.ToLower() + '.' + $View + '.reg'))
    $there = [bool](Test-Path -LiteralPath ('HKLM:\' + $branch))
    New-Object PSObject -Property @{ Name = $Name; View = $View; Key = $there; Export = [IO.File]::Exists($file) }
}
