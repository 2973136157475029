function Write-SkShadowList {
    # Writes down, before shadow copies are made, on which volumes, and which copies were there already: a copy that is made
    # but was not marked (its disk was full, its shell was deleted) can be told from another's only so. Where WMI does not
    # answer, none is made: a list without copies would make every one look like ours.
    [CmdletBinding()]
    param([string]$Drive, [string]$Run, [string[]]$Volume)
    trap { break }  # a failed .NET call would only end its statement
    $lines = @()
    foreach ($id in @($Volume | Where-Object { $_ })) { $lines += ('volume ' + $id) }
    foreach ($one in @(Get-WmiObject -Class Win32_ShadowCopy -ErrorAction Stop)) { $lines += ('copy ' + $one.ID) }
    $file = [IO.Path]::Combine((Get-SkFolder -Drive $Drive -Run $Run -Name 'shadow'), 'before.txt')
    [IO.File]::WriteAllText($file, [string]::Join("`r`n", $lines) + "`r`n", [Text.Encoding]::ASCII)
}
