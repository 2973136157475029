function Test-SkShadowSet {
    # Which of this run's shadow copies still exist: Windows drops them by itself when their storage runs out.
    [CmdletBinding()]
    param([string]$Drive, [string]$Run)
    trap { break }  # a failed .NET call would only end its statement
    $file = [IO.Path]::Combine((Get-SkFolder -Drive $Drive -Run $Run -Name 'shadow'), 'mark.txt')
    if (-not [IO.File]::Exists($file)) { return }
    $ids = @(@(Get-WmiObject -Class Win32_ShadowCopy) | ForEach-Object { $_.ID.ToLower() })
    foreach ($line in [IO.File]::ReadAllText($file).Replace("`r", '').Split("`n")) {
        $word = $line.Split(' ')
        if ($word[0] -eq 'copy') {
            New-Object PSObject -Property @{ Index = [int]$word[1]; Id = $word[3]; Exists = ($ids -contains $word[3].ToLower()) }
        }
    }
}
