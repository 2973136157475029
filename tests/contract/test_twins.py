"""The twin contract: on a real PowerShell, every function of ours answers as its twin in the lab does.

Compared field by field: output with its types, error records, and the record that ended a call. Random ids and times
are levelled out; what Linux cannot hold (hidden files, Windows' own attribute bits) is left out.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import pkgutil
import re
import shutil
import subprocess
import threading
from base64 import b64encode
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from psrpcore.types import PSInt64
from tests.fidelity.counting import Row, count

import sitekeeper_lab.functions as twins
from sitekeeper_lab.build import build_host
from sitekeeper_lab.engines.api import Command, ErrorRecord, Pipeline, PsObject
from sitekeeper_lab.engines.pwsh.engine import MODULE, PwshEngine
from sitekeeper_lab.engines.python import PythonEngine, PythonRunspace
from sitekeeper_lab.hierarchy import Hierarchy, load_hierarchy
from sitekeeper_lab.host import ADMINISTRATORS_ONLY, Host
from sitekeeper_lab.windows.model import ScheduledTask

ROOT = Path(__file__).parents[2]
FUNCTIONS = ROOT / "modules" / "sitekeeper" / "powershell"
HERE = Path(__file__).parent
PWSH = os.environ.get("SITEKEEPER_PWSH") or shutil.which("pwsh")

Call = tuple[str, dict[str, Any], str | None]
Scenarios = dict[str, Callable[[dict[str, str]], list[Call]]]

_GUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_TIMES = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z|\d{1,2}/\d{1,2}/\d{4} [\d:]+ [AP]M|\d{4}\.\d\d\.\d\d-\d\d\.\d\d\.\d\d")


def twin_modules() -> dict[str, Any]:
    names = [module.name for module in pkgutil.iter_modules(twins.__path__) if not module.ispkg]
    modules = [importlib.import_module(f"{twins.__name__}.{name}") for name in names]
    return {module.TWIN.name: module for module in modules}


def test_every_function_has_a_twin_bound_to_its_text() -> None:
    hashes = {path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in FUNCTIONS.glob("*.ps1")}
    assert {name: module.SHA256 for name, module in twin_modules().items()} == hashes


def test_a_twin_takes_exactly_the_parameters_of_its_function() -> None:
    kinds = {
        "string": "string",
        "int": "int",
        "long": "long",
        "bool": "bool",
        "string[]": "string[]",
        "byte[]": "byte[]",
    }
    for name, module in twin_modules().items():
        text = (FUNCTIONS / f"{name}.ps1").read_text("utf-8")
        block = re.search(r"\n    param\((.*?)\)\n", text)
        declared = re.findall(r"\[((?:string|byte)\[\]|\w+)\]\$(\w+)", block[1]) if block else []
        assert [(kinds[kind], parameter) for kind, parameter in declared] == [
            (parameter.kind, key) for key, parameter in module.TWIN.parameters.items()
        ], name


def test_every_function_is_asked_something(scenarios: Scenarios) -> None:
    volumes = dict.fromkeys(("C:\\", "D:\\", "E:\\", "E:\\Mounts\\Log\\"), "")
    asked = {name for scenario in scenarios.values() for name, _, _ in scenario(volumes)}
    assert asked - {""} == set(twin_modules())


@pytest.fixture(name="hierarchy")
def small_hierarchy() -> Hierarchy:
    hierarchy = load_hierarchy(ROOT / "inventory" / "lab" / "hierarchy.yml")
    hosts = {
        name: host.model_copy(update={"site": host.site.model_copy(update={"size": 0.1})}) if host.site else host
        for name, host in hierarchy.hosts.items()
    }
    hosts["PR2"] = hosts["PR2"].model_copy(update={"opsmgr_agent": True})
    hosts["RMS1"] = hosts["OPS1"].model_copy(update={"opsmgr": "opsmgr2007"})
    return hierarchy.with_(hosts=hosts)


class Sink:
    def __init__(self) -> None:
        self.written: list[Any] = []
        self.errors: list[ErrorRecord] = []
        self.stopped = threading.Event()

    def output(self, value: Any) -> None:
        self.written.append(value)

    def error(self, record: ErrorRecord) -> None:
        self.errors.append(record)

    def warning(self, message: str) -> None:
        raise AssertionError(message)


def make_host(folder: Path, hierarchy: Hierarchy, name: str) -> Host:
    host = build_host(folder, name, hierarchy)
    host.machine.metadata.clear()  # what only Windows' own disk format holds
    for path in ("E:\\sitekeeper", "D:\\System Volume Information"):
        if path[0] == "D" or name == "PR2":
            host.files.resolve(path).mkdir()
    files = {"big.bin": 1_000_003, "edge.bin": 262_144 - 12, "empty.bin": 0}
    for file, size in files.items():
        host.files.resolve(f"D:\\{file}").write_bytes(bytes(range(256)) * (size // 256) + bytes(size % 256))
    if name == "DRILL1":
        for path in ("D:\\Drill\\run-9", "D:\\Drill\\Not a run", "D:\\Drill\\dir-1\\sub"):
            host.files.resolve(path).mkdir(parents=True)
        host.files.resolve("D:\\Drill\\run-9\\left.mdf").write_bytes(b"left")
        host.files.resolve("D:\\Drill\\linked").symlink_to("run-9", target_is_directory=True)
        host.files.resolve("D:\\Drill\\run-8").mkdir()
        host.files.resolve("D:\\Drill\\run-8\\link.mdf").symlink_to("../run-9/left.mdf")
    if name == "PR2":
        host.machine.tasks.append(
            ScheduledTask("sitekeeper-setup", r"C:\sitekeeper\setup.cmd", None, boot=False, account="LAB\\installer")
        )
    if name == "PR1":
        for letter in ("C", "D"):
            host.make_folder(f"{letter}:\\sitekeeper")
            host.write(f"{letter}:\\sitekeeper\\vshadow.exe", b"MZ")
        host.set_acl("D:\\sitekeeper", ADMINISTRATORS_ONLY)  # C: stays open to others
        for task in ("PR1Backup\\SiteServer", "PR1Backup.sk-old\\SiteServer"):
            host.make_folder(f"C:\\SMSBackup\\{task}")
            host.write(f"C:\\SMSBackup\\{task}\\SMSbkSiteRegSMS.dat", b"regf and more")
        host.write("D:\\SMS\\logs\\smsbkup.log", b"STATMSG: ID=5055 \xe4\r\n" * 4000)
        host.registry.delete("HKLM\\SOFTWARE\\Microsoft\\NAL")
        host.registry.save()
    host.save()
    return host


def by_twins(host: Host, calls: list[Call]) -> list[dict[str, Any]]:
    runspace: PythonRunspace = PythonEngine(host).open("LAB\\backup")
    loads = tuple((Command(path.read_text("utf-8"), is_script=True),) for path in FUNCTIONS.glob("*.ps1"))
    sink = Sink()
    runspace.run(Pipeline(loads), sink)
    assert not sink.errors
    results = []
    for name, arguments, fault in calls:
        sink, failed = Sink(), None
        if fault is not None:
            host.faults.add(fault)
        else:
            try:
                runspace.run(Pipeline(((Command(name, parameters=tuple(arguments.items())),),)), sink)
            except ErrorRecord as error:
                failed = record(error)
        results.append(
            {"output": [shape(v) for v in sink.written], "errors": [record(e) for e in sink.errors], "failed": failed}
        )
    return results


def record(error: ErrorRecord) -> dict[str, Any]:
    return {
        "id": error.error_id,
        "category": error.category,
        "message": error.message,
        "type": error.exception_type,
    }


def shape(value: Any) -> list[Any]:
    match value:
        case None:
            return ["Null", None]
        case bytes():
            return ["Byte[]", f"{len(value)} {hashlib.sha256(value).hexdigest()}"]
        case bool():
            return ["Boolean", value]
        case PSInt64():
            return ["Int64", int(value)]
        case int():
            return ["Int32", value]
        case str():
            return ["String", str(value)]
        case datetime():
            return ["DateTime", f"{value:%Y-%m-%dT%H:%M:%S.%f}0Z"]
        case list():
            return ["Object[]", [shape(item) for item in value]]
        case PsObject():
            return ["PSCustomObject", {name: shape(item) for name, item in value.extended.items()}]
        case _:
            raise AssertionError(type(value))


def by_powershell(
    pwsh: str, folders: list[tuple[Path, list[Call]]], work: Path, functions: Path = FUNCTIONS
) -> list[list[dict[str, Any]]]:
    answers = []
    for folder, calls in folders:
        engine = PwshEngine(PythonEngine(Host.load(folder)), Path(pwsh), work / "powershell")
        engine.start()
        try:
            answers.append(_asked(pwsh, engine, calls, work, functions))
        finally:
            engine.stop()
    return answers


def _asked(pwsh: str, engine: PwshEngine, calls: list[Call], work: Path, functions: Path) -> list[dict[str, Any]]:
    cases = [{"name": name, "arguments": arguments, "fault": fault} for name, arguments, fault in calls]
    (work / "cases.json").write_text(
        json.dumps(cases, default=lambda data: {"base64": b64encode(data).decode()}), "utf-8"
    )
    arguments = {
        "-Cases": work / "cases.json",
        "-Results": work / "results.json",
        "-Functions": functions,
        "-Windows": MODULE,
    }
    command = [pwsh, "-NoProfile", "-NonInteractive", "-File", str(HERE / "run_cases.ps1")]
    command += [str(word) for pair in arguments.items() for word in pair]
    environment = {**engine.environment(), "NO_COLOR": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, cwd=engine.folder, timeout=250
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answers: list[dict[str, Any]] = json.loads((work / "results.json").read_text("utf-8"))
    return answers


def levelled(result: dict[str, Any], folder: Path, known: set[str], call: Call) -> dict[str, Any]:
    """A result without what no two runs share."""
    text = json.dumps(result, sort_keys=True, ensure_ascii=False)
    volumes = str(folder / "volumes") + "/"
    text = re.sub(
        re.escape(volumes) + r'([A-Z])((?:/[^"/\\]+)*)', lambda m: m[1] + ":" + m[2].replace("/", "\\\\"), text
    )
    seen: dict[str, str] = {}

    def name_of(match: re.Match[str]) -> str:
        guid = match[0].lower()
        return match[0] if guid in known else seen.setdefault(guid, f"guid{len(seen)}")

    text = _TIMES.sub("TIME", _GUID.sub(name_of, text))
    plain: dict[str, Any] = json.loads(text)
    for error in [*plain["errors"], *([plain["failed"]] if plain["failed"] else [])]:
        if "Sk" not in error["id"].split(",")[0]:
            error["message"] = ""  # PowerShell 7 words its own errors differently
        if error["type"] == "System.Management.Automation.ParentContainsErrorRecordException":
            error["type"] = "System.Management.Automation.ParameterBindingException"  # how it shows locally
        if error["type"] == "System.Management.Automation.ActionPreferenceStopException":
            error["type"] = "Microsoft.PowerShell.Commands.WriteErrorException"
    if call[0] == "Get-SkTree":
        lines = [line for _, block in plain["output"] for line in block.split("\n")]
        plain["output"] = sorted(tree_line(line) for line in lines)
    if call[0] == "Measure-SkInbox" and plain["output"]:
        inboxes = plain["output"][0][1]["Inboxes"]
        inboxes[1] = sorted(inboxes[1].split("\n"))
    return plain


def tree_line(line: str) -> tuple[str, ...]:
    kind, size, written, bits, path = line.split("\t")
    known_bits = str(int(bits) & (1 | 16 | 1024))
    # The lab's folder was copied for PowerShell, and our own work folder was made at another time.
    ours = path.startswith("sitekeeper") or not path
    return kind, size, "" if ours else written, known_bits, path


def differences(
    pwsh: str, tmp_path: Path, plans: list[tuple[Host, list[Call]]], functions: Path = FUNCTIONS
) -> list[str]:
    """The calls whose answers differ; each host lies below ``twin``, and its copy below ``real``."""
    different: list[str] = []
    real = by_powershell(pwsh, [(tmp_path / "real" / host.name, calls) for host, calls in plans], tmp_path, functions)
    for (host, calls), answers in zip(plans, real, strict=True):
        known = {volume.id for volume in host.machine.volumes} | {w.id for w in host.machine.writers}
        known |= {writer.instance_id for writer in host.machine.writers}
        for number, (call, twin, answer) in enumerate(zip(calls, by_twins(host, calls), answers, strict=True)):
            ours = levelled(twin, tmp_path / "twin" / host.name, known, call)
            theirs = levelled(answer, tmp_path / "real" / host.name, known, call)
            if ours != theirs:
                different.append(f"{host.name} call {number} {call}:\n  twin {ours}\n  real {theirs}")
    return different


def host_and_copy(tmp_path: Path, hierarchy: Hierarchy, name: str) -> Host:
    host = make_host(tmp_path / "twin", hierarchy, name)
    shutil.copytree(tmp_path / "twin" / name, tmp_path / "real" / name, symlinks=True)
    return host


needs_powershell = pytest.mark.skipif(PWSH is None, reason="no PowerShell: neither SITEKEEPER_PWSH nor pwsh on PATH")


@needs_powershell
@pytest.mark.timeout(300)
def test_functions_answer_as_their_twins_do(tmp_path: Path, hierarchy: Hierarchy, scenarios: Scenarios) -> None:
    assert PWSH is not None
    plans = []
    for name, scenario in scenarios.items():
        host = host_and_copy(tmp_path, hierarchy, name)
        plans.append((host, scenario({volume.name: volume.id for volume in host.machine.volumes})))
    different = differences(PWSH, tmp_path, plans)
    assert not different, "\n".join(different)
    cases = sum(len(calls) for _, calls in plans)
    count(Row.CONTRACT, 2 * cases, f"{cases} calls of functions x 2")


@needs_powershell
@pytest.mark.timeout(300)
def test_a_twin_that_differs_from_its_function_is_caught(tmp_path: Path, hierarchy: Hierarchy) -> None:
    assert PWSH is not None
    changed = shutil.copytree(FUNCTIONS, tmp_path / "functions")
    file = changed / "Read-SkLease.ps1"
    right = file.read_text("utf-8")
    file.write_text(right.replace("Owner = $lines[1]", "Owner = $lines[1].ToUpper()"), "utf-8")
    assert file.read_text("utf-8") != right
    lease: dict[str, Any] = {"Drive": "D", "Run": "run-1", "Owner": "ci"}
    calls: list[Call] = [
        ("Enter-SkLease", {**lease, "Seconds": 600, "AtLeast": 0}, None),
        ("Get-SkFolder", {"Drive": "D"}, None),
        ("Read-SkLease", {"Drive": "D"}, None),
    ]
    (different,) = differences(PWSH, tmp_path, [(host_and_copy(tmp_path, hierarchy, "PR2"), calls)], changed)
    assert different.startswith("PR2 call 2 ('Read-SkLease'")
    count(Row.PLANTED, 1, "a twin that differs from its function")
