function Read-SkKey {
    # The values of one registry key that tells what a site is, in one view: Setup, Identification or 'SQL Server' of the site,
    # or Cryptography of the machine. Nothing when there is no such key.
    # A cmdlet that the client calls itself sees no registry where the session shows no provider: Get-ItemProperty fails
    # there, and Test-Path says that the key does not exist.
    [CmdletBinding()]
    param([string]$Name, [string]$View)
    trap { break }  # a failed .NET call would only end its statement
    if (@('Setup', 'Identification', 'SQL Server', 'Cryptography') -cnotcontains $Name) { throw 'SkInvalidName' }
    if (@('native', 'wow') -cnotcontains $View) { throw 'SkInvalidView' }
    $path = 'HKLM:\SOFTWARE\'
    if ($View -eq 'wow') { $path = $path + 'Wow6432Node\' }
    $path = $path + 'Microsoft\'
    if ($Name -ne 'Cryptography') { $path = $path + 'SMS\' }
    $path = $path + $Name
    if (Test-Path -LiteralPath $path) { Get-ItemProperty -LiteralPath $path -ErrorAction Stop }
}
