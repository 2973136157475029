"""Every cmdlet, parameter, WMI class, property, method and native switch that we send exists on Windows.

By lists with their sources (``known_cmdlets.yml`` for PowerShell 2.0, ``known_windows.yml``), and once more by the metadata of
the Windows build's own assemblies where ``SITEKEEPER_CMDLETS`` names them. Not decidable by reading: of which class an object
is whose property is read (the property must be of one of the classes), and values that are computed.
"""

from __future__ import annotations

import ast
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from . import sent
from .checking_2 import known, wmi_properties
from .checking_cmdlets import by_metadata, complaints, functions_of
from .checking_native import cmd_complaints, tool_complaints, wmi_complaints
from .counting import Row, count
from .powershell import FUNCTIONS, PATIENCE, read, run, scripts, shipped

pytestmark = PATIENCE

CHANGED_BY_OTHERS = {
    ("management_server", "Start-SkMaintenance"): {"Kind", "Computer", "NotAfter", "Minutes", "Comment", "Run"},
    ("management_server", "Stop-SkMaintenance"): {"Kind", "Computer", "NotAfter", "Run"},
}
"""Commands whose name is handed to the function that sends them, with the parameters that it puts together."""


def _sent() -> list[sent.Sent]:
    handed = [
        sent.Sent(file, command, tuple((name, sent.Given("?")) for name in sorted(names)))
        for (file, command), names in CHANGED_BY_OTHERS.items()
    ]
    return sent.by_scripts(scripts()) + sent.by_modules() + handed


def test_every_command_is_seen() -> None:
    assert sent.named_otherwise() == set(CHANGED_BY_OTHERS)
    management = (sent.PRODUCT / "site" / "monitoring" / "management_server.py").read_text("utf-8")
    for names in CHANGED_BY_OTHERS.values():
        assert all(f'"{name}"' in management for name in names)
    called = {command.name for script in scripts() for command in script.commands}
    assert (
        not {name for name in called if not sent.VERB_NOUN.fullmatch(name)}
        - {"$tool"}
        - set(known("known_windows")["tools"])
    )


def test_commands_and_parameters_are_those_of_2_0_and_of_our_functions() -> None:
    assert not complaints(_sent(), functions_of(scripts()))
    pairs = {(one.command, name) for one in _sent() for name in one.names}
    used = {one.command for one in _sent()}
    assert not set(known("known_cmdlets")) - used, "a list that allows what nobody sends"
    count(Row.CMDLETS, len(pairs), f"{len(pairs)} by the lists of 2.0 and Operations Manager and our functions")


@pytest.fixture
def metadata() -> dict[str, Any]:
    file = os.environ.get("SITEKEEPER_CMDLETS")
    if not file:
        pytest.skip("no metadata of Windows' cmdlets: SITEKEEPER_CMDLETS is not set")
    found: dict[str, Any] = json.loads(Path(file).read_text("utf-8-sig"))
    return found


def test_commands_and_parameters_are_those_of_windows_own_assemblies(metadata: dict[str, Any]) -> None:
    lists = known("known_cmdlets")
    asked = [one for one in _sent() if one.command in lists and not {"only_windows", "page"} & set(lists[one.command])]
    absent = {one.command for one in asked} - set(metadata)
    assert absent == {"Add-PSSnapin"}, "snap-ins ended with PowerShell 5.1"
    assert not [wrong for one in asked if one.command in metadata for wrong in by_metadata(one, metadata[one.command])]
    pairs = {(one.command, name) for one in asked for name in one.names}
    count(Row.CMDLETS, len(pairs), f"{len(pairs)} by the assemblies' metadata")


def test_the_metadata_would_complain(metadata: dict[str, Any]) -> None:
    def told(command: str, **given: sent.Given) -> bool:
        return bool(by_metadata(sent.Sent("here", command, tuple(given.items())), metadata[command]))

    assert told("Test-Path", LiteralPat=sent.Given("text"))
    assert told("Test-Path", LiteralPath=sent.Given("text"), Path=sent.Given("text"))
    assert told("Start-Sleep", Milliseconds=sent.Given("ScriptBlock"))
    assert told("Write-Error", Message=sent.Given("text"), Category=sent.Given("text", "Busy"))
    assert not told("Write-Error", Message=sent.Given("text"), Category=sent.Given("text", "ResourceBusy"))


def test_wmi_classes_properties_and_methods_are_listed() -> None:
    parts = [
        (file.stem, str(node.value))
        for file in sent.files()
        for node in ast.walk(sent.tree(file))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"[A-Z]\w+='", node.value)
    ]
    assert parts
    assert not wmi_complaints(_sent(), parts)
    methods = {name for one in known("known_windows")["wmi"].values() for name in one.get("methods", ())}
    named = {word for file in sent.files() for word in re.findall(r'"([A-Z][a-z]+Service)"', file.read_text("utf-8"))}
    assert named - {"DatabaseService"} <= methods
    count(Row.CMDLETS, len(wmi_properties()) + len(methods), "WMI properties and methods")


def test_properties_that_modules_read_are_listed() -> None:
    """Every ``row["Name"]`` of what a host answered is of WMI, of the registry or of an object that a function of ours makes."""
    lists = known("known_windows")
    ours = {fact.text.strip("'").lower() for script in scripts() for fact in script.of("key")}
    allowed = ours | wmi_properties() | {name.lower() for name in (*lists["registry"], *lists["views"])}
    for file in sent.files():
        if file.parent.name in {"site", "store", "windows"} or file.stem in {"guard", "lease"}:
            for node in ast.walk(sent.tree(file)):
                name = _read_name(node)
                assert name is None or name.lower() in allowed | {"setup", "identification", "sql server"}, (
                    f"{file.stem}: {name}"
                )


def _read_name(node: ast.AST) -> str | None:
    """The name in ``row["Name"]`` and ``row.get("Name")``; ours that are no host's begin with a small letter."""
    held: ast.expr | None = None
    if isinstance(node, ast.Subscript):
        held = node.slice
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get" and node.args:
        held = node.args[0]
    if isinstance(held, ast.Constant) and isinstance(held.value, str) and held.value[:1].isupper():
        return held.value
    return None


def test_native_tools_have_the_verbs_and_switches_that_we_use() -> None:
    assert not tool_complaints(scripts())
    lists = known("known_windows")
    texts = {script.name: [fact.text for fact in script.of("text")] for script in scripts()}
    words = ("set ", "writer ", "add ", "create", "exec ", "expose ", "exit")
    for line in (line for line in texts["New-SkShadowSet"] if line.startswith(words)):
        assert any(line.startswith(one) for one in lists["diskshadow"]), line
    elements = {name for text in texts["Register-SkGuard"] for name in re.findall(r"<([A-Za-z]\w*)", text)}
    assert elements == set(lists["task"])
    switches = sum(len(tool.get("switches", ())) + len(tool.get("verbs", ())) for tool in lists["tools"].values())
    count(Row.CMDLETS, switches, "verbs and switches of native tools")


def test_the_guards_script_uses_what_cmd_has() -> None:
    scripts_of_guards = json.loads(run(Path(__file__).parent / "guard_script.ps1", "-Functions", str(FUNCTIONS)))
    assert len(scripts_of_guards) == 4
    for lines in scripts_of_guards:
        assert not cmd_complaints(lines)
    dropped = [line for lines in scripts_of_guards for line in lines if " echo delete " in line]
    assert dropped
    assert all(f"echo {known('known_windows')['diskshadow'][-2]} " in line for line in dropped)
    assert cmd_complaints(["%SystemRoot%\\system32\\sc.exe pause %1"])
    assert cmd_complaints(["if exist a.txt copy a b"])
    assert cmd_complaints(["if a gtr b exit /b 0"])


def test_a_misspelt_parameter_is_caught() -> None:
    right = shipped()["Export-SkRegistry"]
    wrong = right.replace("Test-Path -LiteralPath", "Test-Path -LiteralPaht").replace(
        "reg.exe export", "reg.exe exprot"
    )
    assert wrong != right
    planted = read({"Export-SkRegistry": wrong})
    assert [one.split(": ", 1)[1] for one in complaints(sent.by_scripts(planted), functions_of(scripts()))] == [
        "Test-Path -LiteralPaht: no parameter set has these, with all that it must have"
    ]
    assert [one.split(": ", 1)[1] for one in tool_complaints(planted)] == ["reg.exe exprot is not in the list"]
    python = (
        (sent.PRODUCT / "windows" / "registry.py")
        .read_text("utf-8")
        .replace('Run=intent.run, Name="registry"', 'Rum=intent.run, Name="registry"')
    )
    planted_python = list(sent.in_node(ast.parse(python), "registry"))
    assert [one.split(": ", 1)[1] for one in complaints(planted_python, functions_of(scripts()))] == [
        "Remove-SkFolder has no parameter Rum"
    ]
    count(Row.PLANTED, 1, "a misspelt parameter")


MISTAKES = {
    "Get-Acl -LiteralPath $file": "no parameter set has these",
    "Get-CimInstance -ClassName Win32_Service": "in no list",
    "@(1) | Where-Object Length -eq 1": "no parameter set has these",
    "@(1) | ForEach-Object Length": "simplified syntax",
    "Test-Path -Path $file -LiteralPath $file": "no parameter set has these",
    "Read-SkLease -Drive $Drive -Force": "has no parameter Force",
    "Get-SkGuardScript -Number 'one'": "takes System.Int32",
    "Start-Sleep -Milliseconds 1 -ErrorAction Ignore": "not one of 2.0",
    "Write-Error -Message 'a' -Category QuotaExceeded": "not one of its values",
}


def test_what_does_not_exist_is_found() -> None:
    for script in read({statement: statement for statement in MISTAKES}):
        found = complaints(sent.by_scripts([script]), functions_of(scripts()))
        assert any(MISTAKES[script.name] in one for one in found), (script.name, found)
