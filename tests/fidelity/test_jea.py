"""The whole backup in a NoLanguage endpoint with the role that we made, on a real PowerShell; and what that role refuses.

The account is no administrator: the plain endpoint does not let it in. Server 2003 has no such endpoints, so PR1 has a newer
Windows here.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pypsrp.exceptions import WSManFaultError
from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.wsman import WSMan

from sitekeeper.cli.main import main
from sitekeeper.lab.hierarchy import Ports, load_hierarchy
from sitekeeper.lab.server import Lab
from sitekeeper.lab.state import read_state

from .counting import Row, count

ROOT = Path(__file__).parents[2]
PWSH = os.environ.get("SITEKEEPER_PWSH") or shutil.which("pwsh")
ENDPOINT = "Sitekeeper"
SITES = ("CEN", "PR1", "PR2")
CANARY = b"Canary-outside-of-every-set"
pytestmark = [
    pytest.mark.skipif(PWSH is None, reason="no PowerShell: set SITEKEEPER_PWSH or put pwsh on the PATH"),
    pytest.mark.timeout(900),
]


@dataclass
class Place:
    """A lab whose hosts have the endpoint, and what our command line says to them."""

    lab: Lab
    root: Path
    inventory: Path
    say: Callable[..., int]

    @contextmanager
    def connected(self, host: str, endpoint: str) -> Iterator[RunspacePool]:
        machine = self.lab.machines[host].wsman
        reader = next(one for one in self.lab.hierarchy.accounts if not one.administrator)
        wsman = WSMan(
            machine.address, port=int(machine.http_port or 0), ssl=False, auth="negotiate",
            username=f"{reader.domain}\\{reader.user}", password=reader.password,
        )  # fmt: skip
        with wsman, RunspacePool(wsman, configuration_name=endpoint) as pool:
            yield pool


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    assert PWSH is not None
    root = tmp_path_factory.mktemp("jea")
    hierarchy = load_hierarchy(ROOT / "inventory" / "lab" / "hierarchy.yml")
    hosts = {}
    for name, spec in hierarchy.hosts.items():
        site = spec.site.model_copy(update={"size": 0.05}) if spec.site else None
        windows = "2008 R2" if spec.windows == "2003" else spec.windows
        hosts[name] = spec.model_copy(update={"site": site, "windows": windows})
    with Lab(hierarchy.with_(hosts=hosts, ports=Ports(http=0, https=0, sql=0)), root / "lab", pwsh=Path(PWSH)) as lab:
        reader = next(one for one in hierarchy.accounts if not one.administrator)
        inventory = root / "hosts.yml"
        inventory.write_text(
            (root / "lab" / "hosts.yml").read_text()
            .replace("LAB\\backup", f"{reader.domain}\\{reader.user}")
            .replace("Lab-Backup-1", reader.password)
        )  # fmt: skip
        built = root / "roles"
        code = main([
            "jea", "build", str(ROOT / "playbooks" / "backup.yml"), str(ROOT / "playbooks" / "backup_task.yml"),
            "-i", str(inventory), "-o", str(built),
            "--group", "LAB\\sitekeeper",
        ])  # fmt: skip
        assert code == 0
        for name, machine in lab.machines.items():
            machine.install_endpoint(ENDPOINT, built / ("site-server" if name in SITES else "management-server"))

        def say(command: str, playbook: str, *more: str) -> int:
            return main([
                command, playbook, "-i", str(inventory), "-e", f"store={root / 'store'}", "-e", "settle=0.3s",
                "-e", f"ansible_psrp_configuration_name={ENDPOINT}", "--runs", str(root / "runs"), "--json", *more,
            ])  # fmt: skip

        yield Place(lab, root, inventory, say)


def test_the_whole_backup_is_published_and_verified(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    before = len(place.lab.audit_lines(0))
    code = place.say("run", str(ROOT / "playbooks" / "backup.yml"))
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert code == 0, [one.get("error") for one in told if one.get("error")]
    assert main(["backups", "verify", "--store", str(place.root / "store")]) == 0
    sets = sorted(one.name for one in (place.root / "store").glob("*/*-*") if one.is_dir())
    assert [name.partition("-")[0] for name in sets] == list(SITES)
    for site in SITES:
        state = read_state(place.lab.folder / site)
        assert {state.service(name).state for name in ("SMS_SITE_COMPONENT_MANAGER", "SMS_EXECUTIVE")} == {"Running"}
        assert not state.machine.shadows
        assert not state.machine.tasks
    calls = [line for line in place.lab.audit_lines(before) if line["event"] == "call"]
    assert {line["user"] for line in calls} == {"LAB\\reader"}
    assert not [line for line in calls if line["command"].startswith("script ")]
    count(Row.JEA, len(calls), "3 sites, published and verified, no script text, no administrator")


def test_the_sites_own_task_is_run_and_collected(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    code = place.say("run", str(ROOT / "playbooks" / "backup_task.yml"), "--limit", "PR2")
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert code == 0, [one.get("error") for one in told if one.get("error")]
    newest = max((place.root / "store" / "PR2").iterdir())
    assert json.loads((newest / "manifest.json").read_text())["kind"] == "task"


def test_the_plain_endpoint_does_not_let_this_account_in(place: Place) -> None:
    with pytest.raises(WSManFaultError) as refused, place.connected("PR2", "Microsoft.PowerShell"):
        pass
    assert refused.value.code == 5


@pytest.fixture(scope="module")
def pool(place: Place) -> Iterator[RunspacePool]:
    with place.connected("PR2", ENDPOINT) as opened:
        yield opened


def ask(pool: RunspacePool, command: str, **arguments: Any) -> tuple[list[Any], str]:
    """Output, and the words of the refusal."""
    shell = PowerShell(pool)
    shell.add_cmdlet(command)
    for name, value in arguments.items():
        shell.add_parameter(name, value)
    output = shell.invoke()
    return list(output), " ".join(str(error) for error in shell.streams.error)


NOT_KNOWN = "is not recognized as a name of a cmdlet"
REFUSED = [
    ("Stop-Service", {"Name": "Spooler"}, NOT_KNOWN),
    ("Get-Content", {"Path": "C:\\x"}, NOT_KNOWN),
    ("Get-ItemProperty", {"LiteralPath": "HKLM:\\SOFTWARE"}, NOT_KNOWN),
    ("reg.exe", {}, NOT_KNOWN),
    ("Invoke-Expression", {"Command": "1"}, NOT_KNOWN),
    ("Get-SkGuardScript", {"Drive": "D"}, NOT_KNOWN),
    ("Get-SkFolder", {"Drive": "D"}, NOT_KNOWN),
    (
        "Invoke-WmiMethod", {"Path": "Win32_Service.Name='Spooler'", "Name": "StopService"},
        "does not belong to the set \"Win32_Service.Name='SMS_SITE_COMPONENT_MANAGER',Win32_Service.Name='SMS_EXECUTIVE'\"",
    ),
    (
        "Invoke-WmiMethod", {"Path": "Win32_Service.Name='SMS_EXECUTIVE'", "Name": "Delete"},
        'does not belong to the set "StopService,StartService,ResumeService"',
    ),
    ("Invoke-WmiMethod", {"Class": "Win32_Service", "Name": "StopService"}, "parameter name 'Class'"),
    ("Get-WmiObject", {"Class": "Win32_UserAccount"}, "does not belong to the set"),
    ("Get-WmiObject", {"Query": "SELECT Name FROM Win32_UserAccount"}, "does not match the"),
    ("Get-WmiObject", {"Class": "Win32_Service", "ComputerName": "other"}, "parameter name 'ComputerName'"),
    (
        "Register-SkGuard", {"Drive": "D", "Run": "r", "Number": 1, "Minutes": 5, "Service": ["Spooler"], "Kind": "window"},
        "does not belong to the set",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("command", "arguments", "words"), REFUSED)
def test_powershell_itself_refuses(pool: RunspacePool, command: str, arguments: dict[str, Any], words: str) -> None:
    output, said = ask(pool, command, **arguments)
    assert not output
    print(f"{command} {arguments}: {said}")
    assert words in said


@pytest.mark.parametrize("text", ["1", "$x = 1", "$env:windir", "Get-SkRole; 1", "[IO.File]::ReadAllText('C:\\x')"])
def test_script_text_and_variables_are_refused(pool: RunspacePool, text: str) -> None:
    shell = PowerShell(pool)
    shell.add_script(text)
    shell.invoke()
    said = " ".join(str(error) for error in shell.streams.error)
    print(f"{text}: {said}")
    assert shell.had_errors
    assert "no-language mode" in said


PATHS = [
    "..\\canary.txt", "..\\..\\canary.txt", "MSSQL\\..\\..\\canary.txt", "a\\..\\..\\..\\canary.txt", "..", ".\\..\\canary.txt",
    "\\\\?\\E:\\canary.txt", "\\\\?\\GLOBALROOT\\Device\\HarddiskVolume1\\canary.txt", "\\\\.\\PhysicalDrive0",
    "E:\\canary.txt", "E:canary.txt", "\\canary.txt", "/etc/passwd", "\\\\127.0.0.1\\E$\\canary.txt", "\\\\server\\share\\x",
    "canary.txt:stream", "canary.txt::$DATA", "CANARY~1.TXT", "CON", "NUL", "a\\CON", "COM1", "*", "?", "<", "|",
    "%SystemDrive%\\canary.txt", "$env:SystemDrive\\canary.txt", "~\\canary.txt", "link\\canary.txt", "link",
]  # fmt: skip
IDS = [
    "..",
    "..\\x",
    "a\\b",
    "C:",
    "\\\\?\\x",
    "a/b",
    "r.",
    "*",
    "r x",
    "$x",
    "'",
    '"',
    "r;x",
    "r&x",
    "r|x",
    "`",
    "\x00",
    "CON.",
    "-x",
    "a" * 200,
]


@pytest.fixture
def shadow(place: Place, pool: RunspacePool) -> Iterator[None]:
    """A shadow copy of a run of ours, with a link in it that leads out; and canaries beside and above it."""
    host = place.lab.host("PR2")
    volumes = {volume.name: volume.id for volume in host.machine.volumes}
    live = host.files.resolve("E:\\")
    outside = place.root / "outside"
    outside.mkdir()
    (outside / "canary.txt").write_bytes(CANARY)
    (live / "link").symlink_to(outside)
    lease = {"Drive": "D", "Run": "attack", "Owner": "thief"}
    assert ask(pool, "Enter-SkLease", **lease, Seconds=600, AtLeast=0)[0]
    made, said = ask(
        pool, "New-SkShadowSet", Drive="D", Run="attack", Service=["SMS_EXECUTIVE"],
        Volume=[volumes["E:\\"], volumes["D:\\"], volumes["E:\\Mounts\\Log\\"]],  # all of the database: its writer stays well
        ExcludeSms=True, VerifySql=False,
    )  # fmt: skip
    assert made, said
    for folder in (live, host.folder, host.folder / "volumes"):
        (folder / "canary.txt").write_bytes(CANARY)
    yield
    ask(pool, "Remove-SkShadowSet", Drive="D", Run="attack")
    ask(pool, "Exit-SkLease", **lease)


def bytes_of(output: list[Any]) -> bytes:
    return b"".join(one if isinstance(one, bytes) else str(one).encode() for one in output)


@pytest.mark.usefixtures("shadow")
def test_no_path_leads_out_of_the_shadow_copy(pool: RunspacePool) -> None:
    named = {"Drive": "D", "Run": "attack", "Index": 0}
    listed, _ = ask(pool, "Get-SkTree", **named, Path="")
    assert b"MSSQL" in bytes_of(listed), "the attacks would fail for want of a shadow copy"
    escaped = []
    for path in PATHS:
        read, _ = ask(pool, "Read-SkFile", **named, Path=[path], Offset=0)
        # What is read is the file itself, or the word for why not: a length of -1.
        if CANARY in bytes_of(read) or (read and bytes_of(read)[4:12] != b"\xff" * 8):
            escaped.append(("Read-SkFile", path))
        found, _ = ask(pool, "Get-SkTree", **named, Path=path)
        if any("canary" in line.split("\t")[-1] for one in found for line in str(one).split("\n")):
            escaped.append(("Get-SkTree", path))
    assert not escaped
    count(Row.ATTACKS, 2 * len(PATHS), "paths")


def test_no_id_leads_out_of_the_work_folder(place: Place, pool: RunspacePool) -> None:
    """Each function that makes something of an id is given what is none; nothing is made, changed or deleted."""
    before = _names(place)
    tried = 0
    for command, parameter, others in (
        ("Enter-SkLease", "Run", {"Drive": "D", "Owner": "o", "Seconds": 1, "AtLeast": 0}),
        ("Export-SkRegistry", "Run", {"Drive": "D", "Name": "SMS", "View": "native"}),
        ("Export-SkRegistry", "Name", {"Drive": "D", "Run": "r", "View": "native"}),
        ("Remove-SkFolder", "Run", {"Drive": "D", "Name": "registry"}),
        ("Remove-SkFolder", "Name", {"Drive": "D", "Run": "r"}),
        ("Remove-SkShadowSet", "Run", {"Drive": "D"}),
        ("New-SkShadowSet", "Run", {"Drive": "D", "Volume": [], "Service": [], "ExcludeSms": True, "VerifySql": False}),
        (
            "Register-SkGuard",
            "Run",
            {"Drive": "D", "Number": 1, "Minutes": 5, "Service": ["SMS_EXECUTIVE"], "Kind": "window"},
        ),
        ("Unregister-SkGuard", "Run", {"Drive": "D", "Number": 1}),
        ("Read-SkKey", "Name", {"View": "native"}),
        ("Measure-SkTree", "Drive", {"Path": ""}),
        ("Read-SkLease", "Drive", {}),
    ):
        for value in IDS:
            _, said = ask(pool, command, **{parameter: value}, **others)
            assert said, (command, parameter, value)
            tried += 1
    assert _names(place) == before
    count(Row.ATTACKS, tried, "ids")


def _names(place: Place) -> set[str]:
    folder = place.lab.host("PR2").folder / "volumes"
    return {str(one.relative_to(folder)) for one in folder.rglob("*") if "sitekeeper" in str(one)}
