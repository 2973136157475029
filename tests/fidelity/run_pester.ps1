# Runs functions.Tests.ps1 beside this file; JSON: a list of tests with name, result and error. Nothing where Pester is not.
param([string]$Functions)
$ErrorActionPreference = 'Stop'
if (-not (Get-Module -Name Pester -ListAvailable)) { return }
Import-Module -Name Pester
$configuration = New-PesterConfiguration
$configuration.Run.Container = New-PesterContainer -Path ([IO.Path]::Combine($PSScriptRoot, 'functions.Tests.ps1')) -Data @{ Functions = $Functions }
$configuration.Run.PassThru = $true
$configuration.Output.Verbosity = 'None'
$run = Invoke-Pester -Configuration $configuration
# What failed before a test could run stands at its block or container.
$broken = @(@($run.FailedBlocks) + @($run.FailedContainers) | ForEach-Object { @{ name = "$($_.Name)"; result = 'Failed'; error = "$($_.ErrorRecord)" } })
$tests = @($run.Tests | ForEach-Object { @{ name = $_.ExpandedPath; result = "$($_.Result)"; error = "$($_.ErrorRecord)" } })
ConvertTo-Json -InputObject @($broken + $tests) -Compress
