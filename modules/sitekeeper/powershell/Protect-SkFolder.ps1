function Protect-SkFolder {
    # Makes the work root, of Administrators, and open to SYSTEM and them only. One that exists and is open to others, or
    # another's (an owner may open it whatever its list says), is refused: somebody may have put files there that we would run.
    [CmdletBinding()]
    param([string]$Drive)
    trap { break }  # a failed .NET call would only end its statement
    $root = Get-SkFolder -Drive $Drive
    $closed = 'O:BAD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)'
    if ([IO.Directory]::Exists($root)) {
        $acl = Get-Acl -Path $root
        $found = $acl.GetSecurityDescriptorSddlForm('Access')
        if ($acl.GetSecurityDescriptorSddlForm('Owner') -notmatch '^O:(SY|BA)$') { throw 'SkFolderOpenToOthers' }
        if ($found -notmatch '^D:P[A-Z]*(\(A;[A-Z]*;FA;;;(SY|BA)\))+$') { throw 'SkFolderOpenToOthers' }
        return
    }
    [void][IO.Directory]::CreateDirectory($root)
    $acl = Get-Acl -Path $root
    # Only owner and access list: group and audit list are not in the text, and would be set to nothing.
    $acl.SetSecurityDescriptorSddlForm($closed, 'Access, Owner')
    Set-Acl -Path $root -AclObject $acl
}
