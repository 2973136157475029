"""Our scripts are PowerShell 2.0 on .NET 2.0 to 3.5: nothing stands in them that those are not known to have.

Read from PowerShell's own syntax tree. Cmdlets and their parameters are checked in ``test_cmdlets_exist.py``, against those of
2.0 as well. Not decidable by reading, and so not checked: what type an object has (a method is known by its name and number of
arguments), member enumeration (``$list.Name``) and ``.Length`` of a single object, which came with 3.0, and whether a text
becomes an enum's value.
"""

from __future__ import annotations

import pytest

from .checking_2 import known, violations
from .counting import Row, count
from .powershell import PATIENCE, read, scripts, shipped

pytestmark = PATIENCE


def test_nothing_is_newer_than_2_0() -> None:
    assert not violations(scripts())
    looked_at = sum(len(script.facts) for script in scripts())
    count(Row.OLD, 0, f"{len(scripts())} texts, {looked_at} constructs looked at")


def test_the_list_has_nothing_that_is_not_used() -> None:
    """A list that allows what nobody needs would let the next one slip through."""
    lists = known("known_2_0")
    used = {(fact.kind, fact.text.lower()) for script in scripts() for fact in script.facts}
    kinds = {
        "nodes": "node",
        "operators": "operator",
        "types": "type",
        "static": "static",
        "created": "created",
        "methods": "member",
        "properties": "member",
    }
    spare = [f"{name}: {one}" for name, kind in kinds.items() for one in lists[name] if (kind, one.lower()) not in used]
    assert not spare


NEWER = {
    "[ordered]": "$x = [ordered]@{ a = 1 }",
    "[pscustomobject]": "$x = [pscustomobject]@{ a = 1 }",
    "-in": "if ($Drive -in @('a')) { return }",
    "-notin": "if ($Drive -notin @('a')) { return }",
    "-shl": "$x = 1 -shl 3",
    "$PSItem": "$x = @(1) | Where-Object { $PSItem }",
    "$PSScriptRoot": "$x = $PSScriptRoot",
    "$IsLinux": "if ($IsLinux) { return }",
    "[type]::new()": "$x = [Collections.ArrayList]::new()",
    ".ForEach()": "$x = @(1).ForEach({ $_ })",
    ".Where()": "$x = @(1).Where({ $_ })",
    "Path.Combine of three": "$x = [IO.Path]::Combine('a', 'b', 'c')",
    "string.IsNullOrWhiteSpace": "$x = [string]::IsNullOrWhiteSpace('a')",
    "HashAlgorithm.Dispose": "(New-Object Security.Cryptography.SHA256Managed).Dispose()",
    "ternary": "$x = $Drive ? 1 : 2",
    "??": "$x = $Drive ?? 1",
    "??=": "$Drive ??= 1",
    "?.": "$x = ${Drive}?.Length",
    "&&": "Clear-SkFence && Clear-SkFence",
    "background": "Clear-SkFence &",
    "class": "class A { [int]$B }",
    "enum": "enum A { B }",
    "$using:": "$x = { $using:Drive }",
    "*>": "Clear-SkFence *> $null",
    "3>&1": "Clear-SkFence 3>&1",
    "attribute argument without a value": "function A { param([Parameter(Mandatory)]$B) $B }",
    "ValidateDrive": "function A { param([ValidateDrive('C')]$B) $B }",
    "binary number": "$x = 0b11",
    "a line that begins with a pipe": "$x = @(1)\n| Where-Object { $_ }",
    "`u{}": '$x = "`u{41}"',
    "#requires": "#requires -Version 3.0",
    "foreach -parallel": "workflow A { foreach -parallel ($x in 1) { $x } }",
    "foreach over a parameter": "function A { param([string[]]$B) foreach ($x in $B) { $x } }",
    "foreach over an array of a parameter": "function A { param([string[]]$B) foreach ($x in @($B)) { $x } }",
    "foreach over what a command answers": "$x = Clear-SkFence\nforeach ($y in $x) { $y }",
    "foreach over a property": "foreach ($y in $held.Run) { $y }",
    "clean block": "function A { process { 1 } clean { 2 } }",
    "splatting": "Clear-SkFence @args",
}
"""What came after 2.0, or is not decidable where it is used, each as a statement that is planted into a function of ours."""


@pytest.fixture(scope="module")
def planted() -> dict[str, list[str]]:
    """Read-SkLease with one newer thing in it, each: what is found wrong, or could not be parsed."""
    text = shipped()["Read-SkLease"]
    before, after = text.split("    if ($lines.Length", 1)
    texts = {name: f"{before}{statement}\n    if ($lines.Length{after}" for name, statement in NEWER.items()}
    return {script.name: [*script.errors, *violations([script])] for script in read(texts)}


@pytest.mark.parametrize("name", NEWER)
def test_a_newer_construct_is_found(name: str, planted: dict[str, list[str]]) -> None:
    assert planted[name]  # of the function as it is, nothing is found


def test_a_3_0_construct_in_a_function_is_caught() -> None:
    right = shipped()["Test-SkShadowSet"]
    wrong = right.replace("($ids -contains $word[3].ToLower())", "($word[3].ToLower() -in $ids)")
    assert wrong != right
    assert [one.split(": ", 1)[1] for one in violations(read({"Test-SkShadowSet": wrong}))] == [
        "operator Iin is not known to exist in 2.0"
    ]
    count(Row.PLANTED, 1, "a 3.0 construct")
