function Get-SkVolume {
    # The mount name (D:\ or D:\Mounts\Log\) of a volume given by its id, the GUID in \\?\Volume{...}\.
    [CmdletBinding()]
    param([string]$Id)
    trap { break }  # a failed .NET call would only end its statement
    if ($Id -notmatch '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$') { throw 'SkInvalidVolume' }
    foreach ($one in @(Get-WmiObject -Class Win32_Volume)) {
        if ($one.DeviceID -like ('*{' + $Id + '}*')) { return $one.Name }
    }
    throw 'SkVolumeNotFound'
}
