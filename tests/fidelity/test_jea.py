"""The whole backup in a NoLanguage endpoint with the role that we made, on a real PowerShell; and what that role refuses.

The account is no administrator: the plain endpoint does not let it in. Server 2003 has no such endpoints, so PR1 has a newer
Windows here.
"""

from __future__ import annotations

import hashlib
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
from sitekeeper_lab.hierarchy import Ports, load_hierarchy
from sitekeeper_lab.server import Lab
from sitekeeper_lab.state import read_state

from .counting import Row, count

ROOT = Path(__file__).parents[2]
PWSH = os.environ.get("SITEKEEPER_PWSH") or shutil.which("pwsh")
ENDPOINT = "Sitekeeper"
SITES = ("CEN", "PR1", "PR2")
SCRATCH = "DRILL1"
CANARY = b"Canary-outside-of-every-set"
ATTACK = b"Attack-that-wrote-this-file"
MARKER = "sitekeeper-work.txt"
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
            machine.address,
            port=int(machine.http_port or 0),
            ssl=False,
            auth="negotiate",
            username=f"{reader.domain}\\{reader.user}",
            password=reader.password,
        )
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
            (root / "lab" / "hosts.yml")
            .read_text()
            .replace("LAB\\backup", f"{reader.domain}\\{reader.user}")
            .replace("Lab-Backup-1", reader.password)
        )
        built = root / "roles"
        code = main(
            [
                "jea",
                "build",
                *(str(ROOT / "playbooks" / f"{name}.yml") for name in ("drill", "restore", "backup_task", "backup")),
                "-i",
                str(inventory),
                "-o",
                str(built),
                "--group",
                "LAB\\sitekeeper",
            ]
        )
        assert code == 0
        for name, machine in lab.machines.items():
            kind = "site-server" if name in SITES else "scratch-sql-host" if name == SCRATCH else "management-server"
            machine.install_endpoint(ENDPOINT, built / kind)

        def say(command: str, playbook: str, *more: str) -> int:
            return main(
                [
                    command,
                    playbook,
                    "-i",
                    str(inventory),
                    "-e",
                    f"store={root / 'store'}",
                    "-e",
                    "settle=0.3s",
                    "-e",
                    f"ansible_psrp_configuration_name={ENDPOINT}",
                    "--runs",
                    str(root / "runs"),
                    "--json",
                    *more,
                ]
            )

        yield Place(lab, root, inventory, say)


@pytest.mark.sweep
def test_the_whole_backup_is_published_and_verified(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    before = len(place.lab.audit_lines(0))
    there = set((place.root / "store").glob("*/*-*"))
    code = place.say("run", str(ROOT / "playbooks" / "backup.yml"))
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert code == 0, [one.get("error") for one in told if one.get("error")]
    assert main(["backups", "verify", "--store", str(place.root / "store")]) == 0
    sets = sorted(one.name for one in (place.root / "store").glob("*/*-*") if one.is_dir() and one not in there)
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


@pytest.mark.sweep
def test_the_sites_own_task_is_run_and_collected(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    code = place.say("run", str(ROOT / "playbooks" / "backup_task.yml"), "--limit", "PR2")
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert code == 0, [one.get("error") for one in told if one.get("error")]
    newest = max((place.root / "store" / "PR2").iterdir())
    assert json.loads((newest / "manifest.json").read_text())["kind"] == "task"


@pytest.mark.sweep
def test_the_whole_drill_is_run_on_the_scratch_server(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    made = [json.loads(file.read_text()) for file in (place.root / "store" / "PR2").glob("*/manifest.json")]
    if not any(one["kind"] == "snapshot" for one in made):
        assert place.say("run", str(ROOT / "playbooks" / "backup.yml"), "--limit", "PR2") == 0
    capsys.readouterr()
    before = len(place.lab.audit_lines(0))
    code = place.say("run", str(ROOT / "playbooks" / "drill.yml"), "--limit", "PR2", "-e", f"drill_on={SCRATCH}")
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert code == 0, [one.get("error") for one in told if one.get("error")]
    marks = [json.loads(file.read_text()) for file in (place.root / "store" / "PR2").glob("*/marks.json")]
    assert [one["drilled"]["result"] for one in marks if one.get("drilled")] == ["ok"]
    calls = [line for line in place.lab.audit_lines(before) if line["event"] == "call"]
    assert {(line["host"], line["user"]) for line in calls} == {(SCRATCH, "LAB\\reader")}
    assert not [line for line in calls if line["command"].startswith("script ")]
    instance = place.lab.machines[SCRATCH].instance
    assert instance is not None
    assert not instance.databases
    assert [one.name for one in place.lab.host(SCRATCH).files.resolve("D:\\Drill").iterdir()] == [MARKER]
    count(Row.JEA, len(calls), "a whole drill on the scratch server")


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
    shell.close()  # a shell takes only so many commands that nobody has ended
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
        "Invoke-WmiMethod",
        {"Path": "Win32_Service.Name='Spooler'", "Name": "StopService"},
        (
            "does not belong to the set \"Win32_Service.Name='SMS_SITE_COMPONENT_MANAGER',Win32_Service.Name='SMS_EXECUTIVE',"
            "Win32_Service.Name='SMS_SITE_BACKUP'\""
        ),
    ),
    (
        "Invoke-WmiMethod",
        {"Path": "Win32_Service.Name='SMS_EXECUTIVE'", "Name": "Delete"},
        'does not belong to the set "StopService,StartSe',
    ),
    ("Invoke-WmiMethod", {"Class": "Win32_Service", "Name": "StopService"}, "parameter name 'Class'"),
    ("Get-WmiObject", {"Class": "Win32_UserAccount"}, "does not belong to the set"),
    ("Get-WmiObject", {"Query": "SELECT Name FROM Win32_UserAccount"}, "does not match the"),
    ("Get-WmiObject", {"Class": "Win32_Service", "ComputerName": "other"}, "parameter name 'ComputerName'"),
    (
        "Register-SkGuard",
        {"Drive": "D", "Run": "r", "Number": 1, "Minutes": 5, "Service": ["Spooler"], "Kind": "window"},
        "does not belong to the set",
    ),
]


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
    "..\\canary.txt",
    "..\\..\\canary.txt",
    "MSSQL\\..\\..\\canary.txt",
    "a\\..\\..\\..\\canary.txt",
    "..",
    ".\\..\\canary.txt",
    "\\\\?\\E:\\canary.txt",
    "\\\\?\\GLOBALROOT\\Device\\HarddiskVolume1\\canary.txt",
    "\\\\.\\PhysicalDrive0",
    "E:\\canary.txt",
    "E:canary.txt",
    "\\canary.txt",
    "/etc/passwd",
    "\\\\127.0.0.1\\E$\\canary.txt",
    "\\\\server\\share\\x",
    "canary.txt:stream",
    "canary.txt::$DATA",
    "CANARY~1.TXT",
    "CON",
    "NUL",
    "a\\CON",
    "COM1",
    "*",
    "?",
    "<",
    "|",
    "%SystemDrive%\\canary.txt",
    "$env:SystemDrive\\canary.txt",
    "~\\canary.txt",
    "link\\canary.txt",
    "link",
]
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
        pool,
        "New-SkShadowSet",
        Drive="D",
        Run="attack",
        Service=["SMS_EXECUTIVE"],
        Volume=[
            volumes["E:\\"],
            volumes["D:\\"],
            volumes["E:\\Mounts\\Log\\"],
        ],  # all of the database: its writer stays well
        Exclude=["03ba67dd-dc6d-4729-a038-251f7018463b"],
    )
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
        (
            "New-SkShadowSet",
            "Run",
            {"Drive": "D", "Volume": [], "Service": [], "Exclude": ["03ba67dd-dc6d-4729-a038-251f7018463b"]},
        ),
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


ROOT_DIR = "E:\\Restore"
OTHER_ROOTS = [
    "",
    "C:\\",
    "C:\\Windows",
    "E:\\",
    "E:\\Restore\\",
    "E:\\Restore\\..",
    "E:\\Restore\\..\\MSSQL",
    "E:/Restore",
    "E:Restore",
    "Restore",
    "\\\\?\\E:\\Restore",
    "\\\\127.0.0.1\\E$\\Restore",
    "E:\\Restore ",
    "E:\\Restore.",
    "E:\\RESTOR~1",
    "E:\\Restore:x",
    "*",
    "D:\\Drill",
]
OF_A_RUN: dict[str, dict[str, Any]] = {
    "Get-SkWorkFile": {},
    "Write-SkWorkFile": {"Name": "a.mdf", "Offset": 0, "Data": ATTACK},
    "Measure-SkWorkFile": {"Name": ["a.mdf"]},
    "Read-SkWorkFile": {"Name": "a.mdf", "Offset": 0},
    "Remove-SkWorkFile": {"Name": ["a.mdf"]},
    "Write-SkStage": {"Entry": [f"{len(ATTACK)}\ta.txt"], "Offset": 0, "Data": ATTACK},
    "Measure-SkStage": {},
    "Remove-SkStage": {},
    "Start-SkSetup": {"Drive": "C", "Step": "setup", "Name": []},
}
"""Every function that takes a folder, with arguments that are right but for what is tried."""


@pytest.fixture
def canaries(place: Place) -> Iterator[list[Path]]:
    """Files beside and above the work folder, and behind links in the runs' own folders, that nothing may read or change."""
    host = place.lab.host("PR2")
    work = host.files.resolve(ROOT_DIR)
    outside = place.root / "behind"
    outside.mkdir()
    held = [outside, work, work.parent, host.folder, host.folder / "volumes"]
    for run in ("attack", "attack-stage"):
        (work / run).mkdir()
        (work / run / "link").symlink_to(outside)
        (work / run / "link.mdf").symlink_to(outside / "canary.txt")
    for folder in held:
        (folder / "canary.txt").write_bytes(CANARY)
    yield [folder / "canary.txt" for folder in held]
    for run in ("attack", "attack-stage"):
        shutil.rmtree(work / run, ignore_errors=True)
    assert (work / MARKER).is_file()


def test_no_folder_is_written_but_those_of_the_inventory(place: Place, pool: RunspacePool) -> None:
    assert "attack" not in {str(one) for one in ask(pool, "Get-SkWorkFile", Root=ROOT_DIR)[0]}
    for command, others in OF_A_RUN.items():
        for root in OTHER_ROOTS:
            output, said = ask(pool, command, Root=root, Run="attack", **others)
            assert not output, (command, root)
            assert "does not belong to the set" in said or "null or empty" in said, (command, root, said)
    count(Row.ATTACKS, len(OF_A_RUN) * len(OTHER_ROOTS), "folders")


def test_no_run_and_no_step_leads_out_of_the_work_folder(place: Place, pool: RunspacePool) -> None:
    system = place.lab.host("PR2").files.resolve("C:\\")
    tried = 0
    for value in IDS:
        asked = [(command, {"Root": ROOT_DIR, "Run": value, **others}) for command, others in OF_A_RUN.items()]
        setup = {"Drive": "C", "Root": ROOT_DIR, "Run": "attack"}
        asked += [
            ("Start-SkSetup", {**setup, "Step": value, "Name": []}),
            ("Start-SkSetup", {**setup, "Step": "prerequisites", "Name": ["PRI", value, "x"]}),
            ("Start-SkSetup", {**setup, "Step": "setup", "Name": [], "Drive": value}),
            ("Read-SkSetup", {"Drive": "C", "Run": value, "Step": "setup"}),
            ("Read-SkSetup", {"Drive": "C", "Run": "attack", "Step": value}),
            ("Read-SkSetup", {"Drive": value, "Run": "attack", "Step": "setup"}),
            ("Save-SkAccount", {"Drive": "C", "Run": value}),
            ("Save-SkAccount", {"Drive": value, "Run": "attack"}),
        ]
        for command, arguments in asked:
            output, said = ask(pool, command, **arguments)
            assert said, (command, arguments)
            assert not output, (command, arguments)
            tried += 1
    assert not (system / "sitekeeper" / "setup.cmd").exists()
    count(Row.ATTACKS, tried, "runs, steps and drives")


def test_no_name_leads_out_of_the_run(place: Place, pool: RunspacePool, canaries: list[Path]) -> None:
    run = {"Root": ROOT_DIR, "Run": "attack"}
    digest = hashlib.sha256(CANARY).digest()
    names = [*PATHS, *IDS, "link.mdf", "..", f"..\\{MARKER}", MARKER + "\\..\\x"]
    for name in names:
        ask(pool, "Write-SkWorkFile", **run, Name=name, Offset=0, Data=ATTACK)
        ask(
            pool,
            "Write-SkStage",
            Root=ROOT_DIR,
            Run="attack-stage",
            Entry=[f"{len(ATTACK)}\t{name}"],
            Offset=0,
            Data=ATTACK,
        )
        ask(pool, "Write-SkStage", Root=ROOT_DIR, Run="attack-stage", Entry=[f"-1\t{name}"], Offset=0, Data=b"")
        read, _ = ask(pool, "Measure-SkWorkFile", **run, Name=[name])
        assert digest not in [
            bytes(one.adapted_properties.get("Sha256") or one.extended_properties.get("Sha256")) for one in read
        ]
        streamed, _ = ask(pool, "Read-SkWorkFile", **run, Name=name, Offset=0)
        assert CANARY not in bytes_of(streamed)
        ask(pool, "Remove-SkWorkFile", **run, Name=[name])
    measured, _ = ask(pool, "Measure-SkStage", Root=ROOT_DIR, Run="attack-stage")
    assert measured, "plain names were taken: the attacks fail for what they are"
    assert digest.hex().upper() not in "".join(str(one) for one in measured)
    stage = place.lab.host("PR2").files.resolve(ROOT_DIR) / "attack-stage"
    written = [
        one
        for top in (place.lab.host("PR2").folder, canaries[0].parent)
        for one in top.rglob("*")
        if one.is_file() and one.stat().st_size == len(ATTACK) and one.read_bytes() == ATTACK
    ]
    assert written
    assert not [one for one in written if not one.is_relative_to(stage)]
    ask(pool, "Remove-SkStage", Root=ROOT_DIR, Run="attack-stage")
    ask(pool, "Remove-SkWorkFile", **run)
    assert not stage.exists()
    assert [one.read_bytes() for one in canaries] == [CANARY] * len(canaries)
    count(Row.ATTACKS, 6 * len(names), "names")


def _names(place: Place) -> set[str]:
    folder = place.lab.host("PR2").folder / "volumes"
    return {str(one.relative_to(folder)) for one in folder.rglob("*") if "sitekeeper" in str(one)}
