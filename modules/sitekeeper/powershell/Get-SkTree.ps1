function Get-SkTree {
    # Lists a folder (or one file) of this run's shadow copy, recursively, as text: one entry a line,
    # kind TAB size TAB last write (100 ns since 1601, UTC) TAB attributes TAB path relative to the copy's root.
    # Kind: F file, D folder, L reparse point (recorded, never followed), E could not be read (size = 0, the reason follows the path after a TAB).
    # Lines travel in blocks: one string per 500.
    [CmdletBinding()]
    param([string]$Drive, [string]$Run, [int]$Index, [string]$Path)
    trap { break }  # a failed .NET call would only end its statement
    if ($Path -match '(^|\\)\.\.(\\|$)' -or $Path -match '[:/*?"<>|]' -or $Path.StartsWith('\')) { throw 'SkInvalidPath' }
    $root = Get-SkShadowRoot -Drive $Drive -Run $Run -Index $Index
    # A link on the way, or at its end, would lead out of the copy, to what is live and torn.
    $above = $root
    foreach ($word in @($Path.Split('\') | Where-Object { $_ })) {
        $above = [IO.Path]::Combine($above, $word)
        if (([IO.Directory]::Exists($above) -or [IO.File]::Exists($above)) -and ([int][IO.File]::GetAttributes($above) -band 1024)) {
            Write-Error -Message ('a link on the way to ' + $Path) -ErrorId 'SkLinkInPath' -Category InvalidData -TargetObject $Path
            return
        }
    }
    $start = $root
    if ($Path) { $start = [IO.Path]::Combine($root, $Path.Replace('\', [IO.Path]::DirectorySeparatorChar)) }
    $lines = New-Object Collections.ArrayList
    $todo = New-Object Collections.Stack
    if ([IO.File]::Exists($start)) {
        $info = New-Object IO.FileInfo($start)
        [void]$lines.Add("F`t" + $info.Length + "`t" + $info.LastWriteTimeUtc.ToFileTimeUtc() + "`t" + [int]$info.Attributes + "`t" + $Path)
    } elseif ([IO.Directory]::Exists($start)) {
        $todo.Push($Path)
    } else {
        Write-Error -Message ('not in the shadow copy: ' + $Path) -ErrorId 'SkPathNotFound' -Category ObjectNotFound -TargetObject $Path
        return
    }
    while ($todo.Count -gt 0) {
        $at = [string]$todo.Pop()
        $native = $root
        if ($at) { $native = [IO.Path]::Combine($root, $at.Replace('\', [IO.Path]::DirectorySeparatorChar)) }
        try {
            $self = New-Object IO.DirectoryInfo($native)
            [void]$lines.Add("D`t0`t" + $self.LastWriteTimeUtc.ToFileTimeUtc() + "`t" + [int]$self.Attributes + "`t" + $at)
            $entries = $self.GetFileSystemInfos()
        } catch {
            [void]$lines.Add("E`t0`t0`t0`t" + $at + "`t" + $_.Exception.GetBaseException().GetType().Name)
            continue
        }
        foreach ($one in $entries) {
            $name = $one.Name
            if ($at) { $name = $at + '\' + $one.Name }
            $attributes = [int]$one.Attributes
            if ($attributes -band 1024) {
                [void]$lines.Add("L`t0`t" + $one.LastWriteTimeUtc.ToFileTimeUtc() + "`t" + $attributes + "`t" + $name)
            } elseif ($attributes -band 16) {
                $todo.Push($name)
            } else {
                [void]$lines.Add("F`t" + $one.Length + "`t" + $one.LastWriteTimeUtc.ToFileTimeUtc() + "`t" + $attributes + "`t" + $name)
            }
            if ($lines.Count -ge 500) {
                [string]::Join("`n", $lines.ToArray([string]))
                $lines.Clear()
            }
        }
    }
    if ($lines.Count -gt 0) { [string]::Join("`n", $lines.ToArray([string])) }
}
