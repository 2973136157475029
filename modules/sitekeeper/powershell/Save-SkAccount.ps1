function Save-SkAccount {
    # Copies the srvacct folder of the site that is installed here into the run's work folder: on a fresh Windows it holds the only
    # keys that open what is entered from now on. Looks the install folder up itself. Answers the names of the files.
    # What is kept once for a run is never replaced: by the time it is resumed the folder may hold what was restored.
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
        $kept = [IO.Path]::Combine($to, $name)
        if (-not [IO.File]::Exists($kept)) {
            # Whole or not at all: half a file would be kept for good.
            $half = $kept + '.half'
            [IO.File]::Copy($file, $half, $true)
            [IO.File]::Move($half, $kept)
        }
        $name
    }
}
