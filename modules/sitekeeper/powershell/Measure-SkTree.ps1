function Measure-SkTree {
    # Number and total size of the files below a folder of the live site; reparse points are not followed.
    # Path is relative to the drive's root. Reads names and sizes only.
    [CmdletBinding()]
    param([string]$Drive, [string]$Path)
    trap { break }  # a failed .NET call would only end its statement
    if ($Drive -cnotmatch '^[A-Z]$') { throw 'SkInvalidDrive' }
    if ($Path -match '(^|\\)\.\.(\\|$)' -or $Path -match '[:/*?"<>|]' -or $Path.StartsWith('\')) { throw 'SkInvalidPath' }
    $start = Get-SkNative -Path ($Drive + ':\' + $Path)
    $files = [long]0
    $bytes = [long]0
    $unread = [long]0
    $todo = New-Object Collections.Stack
    $todo.Push($start)
    while ($todo.Count -gt 0) {
        try { $entries = (New-Object IO.DirectoryInfo($todo.Pop())).GetFileSystemInfos() } catch { $unread++; continue }
        foreach ($one in $entries) {
            $attributes = [int]$one.Attributes
            if ($attributes -band 1024) { continue }
            if ($attributes -band 16) { $todo.Push($one.FullName) } else { $files++; $bytes += $one.Length }
        }
    }
    New-Object PSObject -Property @{ Files = $files; Bytes = $bytes; Unread = $unread }
}
