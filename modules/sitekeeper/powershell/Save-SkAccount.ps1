function Save-SkAccount {
    # Copies the srvacct folder of the site that is installed here into the run's work folder: on a fresh Windows it holds the only
    # keys that open what is entered from now on. Looks the install folder up itself. Answers the names of the files.
    [CmdletBinding()]
    param([string]$Drive, [string]$Run)
    trap { break }  # a failed .NET call would only end its statement
    if (-not $Run) { throw 'SkInvalidRun' }
    $install = ''
    foreach ($view in @('native', 'wow')) {
        $setup = Read-SkKey -Name 'Setup' -View $view
        if ($setup -and -not $install) { $install = [string]$setup.'Installation Directory' }
    }
    if (-not $install) { return }
    $from = [IO.Path]::Combine((Get-SkNative -Path $install), 'srvacct')
    if (-not [IO.Directory]::Exists($from)) { return }
    Protect-SkFolder -Drive $Drive
    $to = Get-SkFolder -Drive $Drive -Run $Run -Name 'srvacct'
    [void][IO.Directory]::CreateDirectory($to)
    foreach ($file in [IO.Directory]::GetFiles($from)) {
        $name = [IO.Path]::GetFileName($file)
        [IO.File]::Copy($file, [IO.Path]::Combine($to, $name), $true)
        $name
    }
}
