# The guard's script as our own function writes it, of each kind, for an old and a new Windows: JSON, a list of lists of lines.
param([string]$Functions)
$ErrorActionPreference = 'Stop'
. ([IO.Path]::Combine($Functions, 'Get-SkGuardScript.ps1'))
function Get-SkFolder { 'nowhere' }
function Read-SkLease { }
function Get-WmiObject {
    param([string]$Class)
    if ($Class -eq 'Win32_Volume') { return New-Object PSObject -Property @{ DriveLetter = 'D:'; DriveType = 3 } }
    New-Object PSObject -Property @{ Version = $script:Version }
}
$all = foreach ($script:Version in '5.2.3790', '6.3.9600') {
    foreach ($kind in 'window', 'leak') {
        , @(Get-SkGuardScript -Drive D -Run run-1 -Number 1 -Minutes 30 -Service @('SMS_EXECUTIVE', 'MSSQL$A') -Kind $kind)
    }
}
ConvertTo-Json -InputObject @($all) -Compress
