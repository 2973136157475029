# Reads scripts from standard input (JSON: a list of name and text) with PowerShell's own parser and writes what stands in
# them: parse errors; facts, each of a kind, with its line; and commands with their elements. Judges nothing.
using namespace System.Management.Automation.Language
$ErrorActionPreference = 'Stop'

function Add-Fact($Kind, $Where, $Text, $Number) {
    $line = $Where
    if ($Where -isnot [int]) { $line = $Where.Extent.StartLineNumber }
    [void]$facts.Add(@{ kind = $Kind; line = $line; text = [string]$Text; number = $Number })
}
function Get-Value($Ast) {
    # What can be said of an argument by reading: its kind, and of a constant its type and text.
    $kind = $Ast.GetType().Name -replace '(Expression)?Ast$', ''
    if ($Ast -is [StringConstantExpressionAst]) { return @{ kind = 'text'; text = $Ast.Value } }
    if ($Ast -is [ConstantExpressionAst]) { return @{ kind = $Ast.StaticType.Name; text = [string]$Ast.Value } }
    @{ kind = $kind; text = $Ast.Extent.Text }
}
function Add-Command($Ast) {
    $elements = @()
    foreach ($one in @($Ast.CommandElements | Select-Object -Skip 1)) {
        if ($one -is [CommandParameterAst]) {
            $elements += @{ parameter = $one.ParameterName; kind = ''; text = '' }
            if ($one.Argument) { $elements += (Get-Value $one.Argument) }
        } else { $elements += (Get-Value $one) }
        if ($one.Splatted) { Add-Fact 'oddity' $one 'splatting' }
    }
    $name = $Ast.GetCommandName()
    if (-not $name) { $name = $Ast.CommandElements[0].Extent.Text }
    if ($name -eq 'New-Object') { Add-Constructor $Ast }
    [void]$commands.Add(@{ line = $Ast.Extent.StartLineNumber; name = $name; elements = $elements; redirections = @($Ast.Redirections | ForEach-Object { $_.Extent.Text }) })
}
function Add-Constructor($Ast) {
    # New-Object TYPE (ARGUMENTS), as we write it; of the -Property form only the type.
    $type, $given = @($Ast.CommandElements | Select-Object -Skip 1)
    if ($type -isnot [StringConstantExpressionAst]) { Add-Fact 'oddity' $Ast 'New-Object without a type that is written out'; return }
    $count = 0
    if ($given -and $given[0] -isnot [CommandParameterAst]) {
        $count = 1
        $inside = $null
        if ($given[0] -is [ParenExpressionAst]) { $inside = $given[0].Pipeline.PipelineElements[0].Expression }
        if ($inside -is [ArrayLiteralAst]) { $count = $inside.Elements.Count }
    }
    Add-Fact 'type' $Ast $type.Value
    Add-Fact 'created' $Ast $type.Value $count
}
function Add-Variable($Ast) {
    $above = $Ast.Parent
    $at = $Ast
    while ($above -is [ConvertExpressionAst] -or $above -is [AttributedExpressionAst]) { $at = $above; $above = $above.Parent }
    $written = ($above -is [AssignmentStatementAst] -and $above.Left -eq $at) -or $above -is [ParameterAst] -or
        ($above -is [ForEachStatementAst] -and $above.Variable -eq $at)
    $kind = 'read'
    if ($written) { $kind = 'written' }
    Add-Fact $kind $Ast $Ast.VariablePath.UserPath
}
function Get-Top($Ast) {
    while ($Ast.Parent) { $Ast = $Ast.Parent }
    $Ast
}
function Test-Parameter($Ast) {
    $name = $Ast.VariablePath.UserPath
    [bool]@((Get-Top $Ast).FindAll({ param($x) $x -is [ParameterAst] -and $x.Name.VariablePath.UserPath -eq $name }, $true)).Count
}
function Test-Some($Ast) {
    # Whether what a foreach goes through is surely an array or a collection, and so is passed over where it is empty.
    if ($Ast -is [PipelineAst] -and $Ast.PipelineElements.Count -eq 1 -and $Ast.PipelineElements[0] -is [CommandExpressionAst]) { $Ast = $Ast.PipelineElements[0].Expression }
    if ($Ast -is [CommandExpressionAst]) { $Ast = $Ast.Expression }
    if ($Ast -is [InvokeMemberExpressionAst] -or $Ast -is [ArrayLiteralAst]) { return $true }
    if ($Ast -is [BinaryExpressionAst]) { return (Test-Some $Ast.Left) }
    if ($Ast -is [ArrayExpressionAst]) {
        # Around a parameter alone that is not bound it makes an array of one nothing.
        $inside = @($Ast.SubExpression.Statements)
        if ($inside.Count -ne 1 -or $inside[0] -isnot [PipelineAst] -or $inside[0].PipelineElements.Count -ne 1) { return $true }
        $only = $inside[0].PipelineElements[0]
        if ($only -isnot [CommandExpressionAst] -or $only.Expression -isnot [VariableExpressionAst]) { return $true }
        return (-not (Test-Parameter $only.Expression) -or (Test-Some $only.Expression))
    }
    if ($Ast -isnot [VariableExpressionAst]) { return $false }
    # A variable: whatever it is given is such a thing; a parameter, too, is given one where it is not bound.
    $name = $Ast.VariablePath.UserPath
    $top = Get-Top $Ast
    if (Test-Parameter $Ast) {
        $bound = '^if \(\$null -eq \$' + $name + '\) \{ \$' + $name + ' = @\(\) \}$'
        return [bool]@($top.FindAll({ param($x) $x -is [IfStatementAst] -and $x.Extent.Text -match $bound -and $x.Extent.StartOffset -lt $Ast.Extent.StartOffset }, $true)).Count
    }
    $given = @($top.FindAll({ param($x) $x -is [AssignmentStatementAst] -and $x.Left.Extent.Text -eq ('$' + $name) -and [string]$x.Operator -eq 'Equals' }, $true))
    if (-not $given.Count) { return $true }  # of another foreach, or set nowhere: that is found otherwise
    foreach ($one in $given) { if (-not (Test-Some $one.Right)) { return $false } }
    return $true
}
function Add-Texts([string]$How, $Where, $Sides) {
    # The texts that something is compared with.
    foreach ($side in $Sides) {
        foreach ($one in $side.FindAll({ param($x) $x -is [StringConstantExpressionAst] -or $x -is [ExpandableStringExpressionAst] }, $true)) {
            if ($one.Parent -isnot [MemberExpressionAst] -and $one.Parent -isnot [CommandAst]) { Add-Fact 'compared' $Where ($How + ' ' + $one.Value) }
        }
    }
}
function Add-Node($Ast) {
    $kind = $Ast.GetType().Name -replace 'Ast$', ''
    Add-Fact 'node' $Ast $kind
    switch ($kind) {
        'Command' { Add-Command $Ast }
        'VariableExpression' { Add-Variable $Ast }
        'TypeConstraint' { Add-Fact 'type' $Ast $Ast.TypeName.FullName }
        'TypeExpression' { Add-Fact 'type' $Ast $Ast.TypeName.FullName }
        'Attribute' { Add-Fact 'attribute' $Ast $Ast.TypeName.FullName }
        'NamedAttributeArgument' { Add-Fact 'attribute' $Ast ($Ast.Parent.TypeName.FullName + '.' + $Ast.ArgumentName); if ($Ast.ExpressionOmitted) { Add-Fact 'oddity' $Ast 'attribute argument without a value' } }
        'BinaryExpression' {
            Add-Fact 'operator' $Ast $Ast.Operator
            if ([string]$Ast.Operator -match '(?<!jo)(eq|ne|like|match|contains|in)$') { Add-Texts ([string]$Ast.Operator) $Ast @($Ast.Left, $Ast.Right) }
        }
        'UnaryExpression' { Add-Fact 'operator' $Ast $Ast.TokenKind }
        'AssignmentStatement' { Add-Fact 'operator' $Ast $Ast.Operator }
        'ConstantExpression' { Add-Fact 'number' $Ast $Ast.Extent.Text }
        'StringConstantExpression' { Add-Fact 'text' $Ast $Ast.Value }
        'ExpandableStringExpression' { Add-Fact 'text' $Ast $Ast.Value }
        'Parameter' { Add-Fact 'parameter' $Ast ($Ast.StaticType.FullName + ' ' + $Ast.Name.VariablePath.UserPath) }
        'SwitchStatement' { foreach ($clause in $Ast.Clauses) { Add-Texts 'switch' $Ast @($clause.Item1) } }
        'ScriptBlock' { if ($Ast.CleanBlock) { Add-Fact 'oddity' $Ast 'clean block' }; if ($Ast.ScriptRequirements) { Add-Fact 'oddity' $Ast '#requires' } }
        'Pipeline' { if ($Ast.Background) { Add-Fact 'oddity' $Ast 'background pipeline' } }
        'ForEachStatement' { if ([int]$Ast.Flags -or $Ast.ThrottleLimit) { Add-Fact 'oddity' $Ast 'foreach -parallel' }; if (-not (Test-Some $Ast.Condition)) { Add-Fact 'nothing' $Ast $Ast.Condition.Extent.Text } }
        'IndexExpression' { if ($Ast.NullConditional) { Add-Fact 'oddity' $Ast '?[]' } }
        'FileRedirection' { Add-Fact 'redirection' $Ast ([string]$Ast.FromStream + ' to file') }
        'MergingRedirection' { Add-Fact 'redirection' $Ast ([string]$Ast.FromStream + ' to ' + $Ast.ToStream) }
    }
    if ($Ast -is [MemberExpressionAst]) {
        $count = $null
        if ($Ast -is [InvokeMemberExpressionAst]) { $count = 0; if ($Ast.Arguments) { $count = $Ast.Arguments.Count } }
        if ($Ast.NullConditional) { Add-Fact 'oddity' $Ast '?.' }
        if ($Ast.GenericTypeArguments) { Add-Fact 'oddity' $Ast 'generic method' }
        $name = '(computed) ' + $Ast.Member.Extent.Text
        if ($Ast.Member -is [StringConstantExpressionAst]) { $name = $Ast.Member.Value }
        if (-not $Ast.Static) { Add-Fact 'member' $Ast $name $count }
        elseif ($Ast.Expression -is [TypeExpressionAst]) { Add-Fact 'static' $Ast ($Ast.Expression.TypeName.FullName + '::' + $name) $count }
        else { Add-Fact 'oddity' $Ast '::, and not of a type that is written out' }
        if ($name -match '^(StartsWith|EndsWith|Contains|IndexOf|LastIndexOf|Equals|CompareTo|Match|Matches|IsMatch)$') { Add-Texts $name $Ast @($Ast.Arguments) }
    }
    if ($Ast -is [HashtableAst]) { foreach ($pair in $Ast.KeyValuePairs) { Add-Fact 'key' $pair.Item1 $pair.Item1.Extent.Text } }
}
function Add-Token($Tokens) {
    $before = $null
    foreach ($one in $Tokens) {
        $kind = [string]$one.Kind
        $first = -not $before -or [string]$before.Kind -eq 'NewLine'
        if ($kind -eq 'Comment') { continue }
        if ($first -and $kind -match '^(Pipe|Dot|ColonColon)$') { Add-Fact 'oddity' $one.Extent.StartLineNumber ('a line that begins with ' + $one.Text) }
        if ($kind -match '^String(Expandable|Literal)$|^HereString' -and $kind -match 'Expandable' -and $one.Text -match '`(u\{|e)') { Add-Fact 'oddity' $one.Extent.StartLineNumber 'an escape of PowerShell 6' }
        $before = $one
    }
}

$answers = @()
foreach ($script in @([Console]::In.ReadToEnd() | ConvertFrom-Json)) {
    $tokens = $null
    $errors = $null
    $facts = New-Object Collections.ArrayList
    $commands = New-Object Collections.ArrayList
    $tree = [Parser]::ParseInput($script.text, [ref]$tokens, [ref]$errors)
    foreach ($node in $tree.FindAll({ $true }, $true)) { Add-Node $node }
    Add-Token $tokens
    $answers += @{ name = $script.name; errors = @($errors | ForEach-Object { [string]$_.Extent.StartLineNumber + ': ' + $_.Message }); facts = $facts; commands = $commands }
}
ConvertTo-Json -InputObject @($answers) -Depth 8 -Compress
