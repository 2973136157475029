function Test-SkVshadow {
    # Whether the operator put a vshadow.exe into the work root, whether that is closed to others and nobody else's, and with Try whether the
    # program works on this host: it lists the writers' states. Changes nothing. Never started out of an open folder: somebody
    # else may have put it there.
    [CmdletBinding()]
    param([string]$Drive, [bool]$Try)
    trap { break }  # a failed .NET call would only end its statement
    $root = Get-SkFolder -Drive $Drive
    $tool = [IO.Path]::Combine($root, 'vshadow.exe')
    $found = [IO.File]::Exists($tool)
    $closed = $false
    if ($found) {
        $acl = Get-Acl -Path $root
        $closed = [bool]($acl.GetSecurityDescriptorSddlForm('Access') -match '^D:P[A-Z]*(\(A;[A-Z]*;FA;;;(SY|BA)\))+$')
        if ($acl.GetSecurityDescriptorSddlForm('Owner') -notmatch '^O:(SY|BA)$') { $closed = $false }
    }
    $code = -1
    if ($closed -and $Try) {
        $global:LASTEXITCODE = -1
        [void](& $tool '-ws' 2>&1)
        $code = $LASTEXITCODE
    }
    New-Object PSObject -Property @{ Found = $found; Closed = $closed; ExitCode = $code }
}
