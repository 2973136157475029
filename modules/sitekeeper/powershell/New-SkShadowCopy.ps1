function New-SkShadowCopy {
    # Server 2003 without vshadow: one crash-consistent copy of one volume through WMI, no writers involved.
    # It is read as a previous version through the volume's administrative share (the @GMT name).
    [CmdletBinding()]
    param([string]$Drive, [string]$Run, [string]$Volume, [string[]]$Service)
    trap { break }  # a failed .NET call would only end its statement
    Protect-SkFolder -Drive $Drive
    $folder = Get-SkFolder -Drive $Drive -Run $Run -Name 'shadow'
    if ([IO.Directory]::Exists($folder)) { throw 'SkShadowSetExists' }
    [void][IO.Directory]::CreateDirectory($folder)
    $name = Get-SkVolume -Id $Volume
    if ($name -notmatch '^[A-Za-z]:\\$') { throw 'SkVolumeWithoutLetter' }
    Write-SkShadowList -Drive $Drive -Run $Run -Volume @($Volume)
    $before = @(Get-SkState -Service $Service)
    $made = Invoke-WmiMethod -Class Win32_ShadowCopy -Name Create -ArgumentList 'ClientAccessible', $name
    $after = @(Get-SkState -Service $Service)
    if ($made.ReturnValue -ne 0) {
        Write-Error -Message ('Win32_ShadowCopy.Create answered ' + $made.ReturnValue) -ErrorId ('SkShadowCopy' + $made.ReturnValue) -Category ResourceUnavailable -TargetObject $name
        return
    }
    $file = [IO.Path]::Combine($folder, 'mark.txt')
    $set = ''
    $gmt = ''
    # Where WMI fails here, its error fails the run; but the id of what was made must be written down first.
    foreach ($one in @(Get-WmiObject -Class Win32_ShadowCopy)) {
        if ($one.ID -eq $made.ShadowID) {
            $set = $one.SetID
            $gmt = [Management.ManagementDateTimeConverter]::ToDateTime($one.InstallDate).ToUniversalTime().ToString('yyyy.MM.dd-HH.mm.ss')
        }
    }
    $lines = @(('run ' + $Run), ('set ' + $set), ('copy 0 ' + $Volume + ' ' + $made.ShadowID), ('share 0 ' + $name.Substring(0, 1) + ' ' + $gmt))
    $text = [string]::Join("`r`n", $lines) + "`r`n"
    [IO.File]::WriteAllText($file, $text, [Text.Encoding]::ASCII)
    New-Object PSObject -Property @{ ExitCode = 0; Transcript = ''; Mark = $text; Document = ''; Before = $before; After = $after }
}
