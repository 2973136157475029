function Protect-SkFolder {
    # Makes the work root, open to SYSTEM and Administrators only. One that exists and is open to others is refused:
    # somebody else may have put files there that we would run or believe.
    [CmdletBinding()]
    param([string]$Drive)
    trap { break }  # a failed .NET call would only end its statement
    $root = Get-SkFolder -Drive $Drive
    $closed = 'D:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)'
    if ([IO.Directory]::Exists($root)) {
        $acl = Get-Acl -Path $root
        $found = $acl.GetSecurityDescriptorSddlForm('Access')
        if ($found -notmatch '^D:P[A-Z]*(\(A;[A-Z]*;FA;;;(SY|BA)\))+$') { throw 'SkFolderOpenToOthers' }
        return
    }
    [void][IO.Directory]::CreateDirectory($root)
    $acl = Get-Acl -Path $root
    # Only the access list: owner, group and audit list are not in the text, and would be set to nothing.
    $acl.SetSecurityDescriptorSddlForm($closed, 'Access')
    Set-Acl -Path $root -AclObject $acl
}
