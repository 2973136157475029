from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from pypsrp.client import Client
from pypsrp.exceptions import AuthenticationError, WinRMError, WSManFaultError
from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.wsman import WSMan

from sitekeeper_lab.audit import read_audit
from sitekeeper_lab.hierarchy import Hierarchy, load_hierarchy
from sitekeeper_lab.server import Lab
from sitekeeper_lab.sql.database import attach
from sitekeeper_lab.state import read_state

ROOT = Path(__file__).parents[2]


@pytest.fixture(name="lab")
def running_lab(tmp_path: Path, lab_hierarchy: Hierarchy) -> Any:
    before = set(threading.enumerate())
    with Lab(lab_hierarchy, tmp_path / "lab") as lab:
        yield lab
    assert set(threading.enumerate()) == before


def connect(lab: Lab, host: str, user: str = "backup") -> WSMan:
    machine = lab.machines[host].wsman
    password = next(account.password for account in lab.hierarchy.accounts if account.user == user)
    return WSMan(
        machine.address, port=machine.http_port, username=f"LAB\\{user}", password=password, ssl=False, auth="ntlm"
    )


def ask(url: str, method: str = "GET", body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, method=method)  # noqa: S310  # the lab's own address
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  # as above
        return json.load(answer)


def test_a_foreign_client_asks_every_host(lab: Lab) -> None:
    for name in lab.machines:
        with RunspacePool(connect(lab, name)) as pool, PowerShell(pool) as ps:
            service = "SMS_EXECUTIVE" if lab.hierarchy.hosts[name].site else "WinRM"
            ps.add_cmdlet("Get-Service").add_parameter("Name", [service])
            ps.add_cmdlet("Select-Object").add_parameter("ExpandProperty", "Status")
            assert ps.invoke() == ["Running"]


def test_only_administrators_get_a_session(lab: Lab) -> None:
    with pytest.raises(WSManFaultError) as refused, RunspacePool(connect(lab, "PR2", "reader")):
        pass
    assert refused.value.code == 5


def test_pypsrps_own_fetch_and_copy(lab: Lab, tmp_path: Path) -> None:
    machine = lab.machines["PR2"].wsman
    client = Client(
        machine.address, port=machine.http_port, username="LAB\\backup", password="Lab-Backup-1", ssl=False, auth="ntlm"
    )
    with client:
        (tmp_path / "out.bin").write_bytes(os.urandom(70_000))
        client.copy(str(tmp_path / "out.bin"), "D:\\in.bin")
        client.fetch("D:\\in.bin", str(tmp_path / "back.bin"))
    assert (tmp_path / "back.bin").read_bytes() == (tmp_path / "out.bin").read_bytes()


def test_a_reboot_cuts_connections_and_forgets_shells(lab: Lab) -> None:
    machine = lab.machines["PR2"].wsman
    with connect(lab, "PR2") as client:
        pool = RunspacePool(client)
        pool.open()
        lost = PowerShell(pool).add_cmdlet("Get-Service")
        assert len(machine.shell_ids) == 1
        lab.fault("PR2", "reboot")
        assert machine.shell_ids == []
        # The client's HTTP library may connect again by itself, but nobody there knows its login or its shell.
        with pytest.raises((WinRMError, requests.ConnectionError)):
            lost.invoke()
    with RunspacePool(connect(lab, "PR2")) as again, PowerShell(again) as ps:
        ps.add_cmdlet("Get-Service").add_parameter("Name", ["SMS_EXECUTIVE"])
        ps.add_cmdlet("Select-Object").add_parameter("ExpandProperty", "Status")
        assert ps.invoke() == ["Running"]


def test_versions_of_a_2016_are_the_recorded_ones(tmp_path: Path, lab_hierarchy: Hierarchy) -> None:
    spec = lab_hierarchy.hosts["PR2"].model_copy(update={"windows": "2016"})
    lab = Lab(lab_hierarchy.with_(hosts={"PR2": spec}), tmp_path / "lab")
    with lab, RunspacePool(connect(lab, "PR2")) as pool:
        assert pool.application_private_data is not None
        table = dict(pool.application_private_data.data["PSVersionTable"])
    assert str(table["PSVersion"]) == "5.1.14393.2248"
    assert table["PSEdition"] == "Desktop"
    assert [str(each) for each in table["PSCompatibleVersions"]][-2:] == ["5.0", "5.1.14393.2248"]
    assert str(table["PSRemotingProtocolVersion"]) == "2.3"


def test_the_counter_is_one_in_a_set_while_everybody_writes(lab: Lab) -> None:
    life = next(life for life in lab.lives if life.host.name == "PR2")
    host = life.host
    while life.counter < 5:
        threading.Event().wait(0.01)
    engine = lab.machines["PR2"].engine
    vss_volumes = [volume.id for volume in host.machine.volumes if volume.name != "C:\\"]
    shadows = engine.wmi.shadows.freeze(vss_volumes, client_accessible=False, writers=False)
    folders = [host.folder / copy.folder for copy in shadows]
    inbox = folders[0].joinpath(*life.inbox[3:].split("\\")).read_text("ascii")
    found = attach(folders[1] / "MSSQL" / "Data" / "CM_PR2.mdf", folders[2] / "CM_PR2_log.ldf")
    assert found.counter == int(inbox)
    traffic = life.database.traffic()
    while life.database.traffic() <= traffic or life.counter <= int(inbox):
        threading.Event().wait(0.01)
    again = attach(folders[1] / "MSSQL" / "Data" / "CM_PR2.mdf", folders[2] / "CM_PR2_log.ldf")
    assert (again.counter, again.traffic) == (found.counter, found.traffic)


def test_with_the_services_stopped_the_three_agree_and_the_console_goes_on(lab: Lab) -> None:
    life = next(life for life in lab.lives if life.host.name == "CEN")
    control = lab.machines["CEN"].engine.wmi.services
    control.put_down("SMS_SITE_COMPONENT_MANAGER", "SMS_EXECUTIVE")
    row = life.database.counter()
    state = read_state(life.host.folder)
    assert state.path(life.inbox).read_bytes() == b"%d\r\n" % row
    value = state.registry.value(life.key, "Value")
    assert value is not None
    assert value.data == row
    rows = life.database.traffic()
    while life.database.traffic() == rows:
        threading.Event().wait(0.01)
    assert life.database.counter() == row


def test_a_database_on_another_host_is_frozen_there(tmp_path: Path, lab_hierarchy: Hierarchy) -> None:
    site_server = lab_hierarchy.hosts["PR2"]
    assert site_server.site is not None
    moved = site_server.site.model_copy(update={"database_host": "SQL2", "log": "E:\\MSSQL\\Data"})
    hosts = {
        "PR2": site_server.model_copy(update={"site": moved, "sql": None}),
        "SQL2": site_server.model_copy(update={"site": None, "address": "127.81.0.9"}),
    }
    with Lab(lab_hierarchy.with_(hosts=hosts), tmp_path / "lab") as lab:
        life = lab.lives[0]
        while life.counter < 3:
            threading.Event().wait(0.01)
        holder = lab.host("SQL2").machine
        assert [database.name for database in holder.databases] == ["CM_PR2"]
        assert lab.host("PR2").machine.databases == []
        key = life.host.registry.value(r"HKLM\SOFTWARE\Microsoft\SMS\SQL Server", "Server")
        assert key is not None
        assert key.data == "SQL2.lab.example"
        lab.machines["PR2"].engine.wmi.services.put_down("SMS_SITE_COMPONENT_MANAGER", "SMS_EXECUTIVE")
        volume = next(volume for volume in holder.volumes if volume.name == "E:\\")
        copies = lab.machines["SQL2"].engine.wmi.shadows.freeze([volume.id], client_accessible=False, writers=True)
        data = lab.host("SQL2").folder / copies[0].folder / "MSSQL" / "Data"
        assert attach(data / "CM_PR2.mdf", data / "CM_PR2_log.ldf").counter == life.counter
        inventory = lab.inventory()["all"]["children"]
        assert inventory["sites"]["hosts"]["PR2"]["database_host"] == "SQL2"
        assert list(inventory["databases"]["hosts"]) == ["SQL2"]


@pytest.mark.parametrize(
    ("name", "arguments", "error"),
    [
        ("drop_connection", {"at": 1}, requests.exceptions.ConnectionError),
        ("refuse_login", {}, AuthenticationError),
    ],
)
def test_faults_of_the_wire(lab: Lab, name: str, arguments: dict[str, Any], error: type[Exception]) -> None:
    lab.fault("PR2", name, **arguments)
    with pytest.raises(error), RunspacePool(connect(lab, "PR2")):
        pass
    lab.clear_faults()
    with RunspacePool(connect(lab, "PR2")):
        pass


def test_the_control_address(lab: Lab) -> None:
    url = json.loads((lab.folder / "control.json").read_text("utf-8"))["url"]
    ask(f"{url}/fault", "POST", {"host": "PR1", "name": "stop_hangs", "service": "Spooler"})
    assert ask(f"{url}/state")["hosts"]["PR1"]["faults"] == ["stop_hangs"]
    with pytest.raises(urllib.error.HTTPError, match="400"):
        ask(f"{url}/fault", "POST", {"host": "PR1", "name": "no_such"})
    ask(f"{url}/faults", "DELETE")
    assert ask(f"{url}/state")["hosts"]["PR1"]["faults"] == []
    before = lab.clock.now()
    ask(f"{url}/clock", "POST", {"advance": 3600})
    assert (lab.clock.now() - before).total_seconds() >= 3600
    lines = ask(f"{url}/audit?after=0")["lines"]
    assert [line["name"] for line in lines if line["event"] == "fault"] == ["stop_hangs", "no_such"]
    assert ask(f"{url}/audit?after={lines[-1]['n'] + 1000}")["lines"] == []


def test_the_written_inventory_names_the_ports_taken(lab: Lab) -> None:
    written = yaml.safe_load((lab.folder / "hosts.yml").read_text("utf-8"))
    hosts = written["all"]["children"]["sites"]["hosts"]
    assert hosts["PR1"]["ansible_port"] == lab.machines["PR1"].wsman.http_port
    assert hosts["PR1"]["parent"] == "CEN"


def test_no_password_gets_into_the_audit_log(lab: Lab) -> None:
    with RunspacePool(connect(lab, "PR2")):
        pass
    text = (lab.folder / "audit.jsonl").read_text("utf-8")
    assert read_audit(lab.folder / "audit.jsonl")
    assert not [account.password for account in lab.hierarchy.accounts if account.password in text]


def test_a_lab_is_taken_up_again_where_it_was_left(tmp_path: Path, lab_hierarchy: Hierarchy) -> None:
    folder = tmp_path / "twice"
    with Lab(lab_hierarchy, folder) as first:
        first.host("PR2").write("D:\\kept.txt", b"kept")
        while first.lives[0].counter < 3:
            threading.Event().wait(0.01)
        pid = first.host("PR2").machine.services["WinRM"].pid
    counted = first.lives[0].counter
    with Lab(lab_hierarchy, folder) as second:
        assert second.host("PR2").read("D:\\kept.txt") == b"kept"
        assert second.host("PR2").machine.services["WinRM"].pid == pid
        assert second.lives[0].counter >= counted


def test_the_clients_inventory_beside_the_hierarchy_fits_it() -> None:
    hierarchy = load_hierarchy(ROOT / "inventory" / "lab" / "hierarchy.yml")
    client = yaml.safe_load((ROOT / "inventory" / "lab" / "hosts.yml").read_text("utf-8"))["all"]
    hosts = {name: facts for group in client["children"].values() for name, facts in group["hosts"].items()}
    (management,) = client["children"]["management"]["hosts"]
    how = {"management_server": management, "kind": hierarchy.hosts[management].opsmgr}
    assert client["children"]["sites"]["vars"] == {"maintenance": how}
    assert {name: host["ansible_host"] for name, host in hosts.items()} == {
        name: spec.address for name, spec in hierarchy.hosts.items()
    }
    account = next(account for account in hierarchy.accounts if account.administrator)
    assert client["vars"]["ansible_password"] == account.password
    assert client["vars"]["ansible_user"] == f"{account.domain}\\{account.user}"
    assert client["vars"]["sql_password"] == hierarchy.sql_logins[0].password


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"address": "192.0.2.1"}, "127.0.0.0/8"),
        ({"site": {"code": "PR9", "install": "D:\\SMS", "parent": "XXX"}}, "parent XXX"),
        ({"site": {"code": "PR9", "install": "Q:\\SMS"}}, "Q:"),
        ({"sql": None}, "no SQL Server on PR1"),
        ({"windows": "95"}, "windows"),
        ({"opsmgr": "scom"}, "one management server"),
        ({"memory": 1}, "memory"),
    ],
)
def test_a_wrong_hierarchy_is_refused(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    text = yaml.safe_load((ROOT / "inventory" / "lab" / "hierarchy.yml").read_text("utf-8"))
    text["hosts"]["PR1"] |= change
    (tmp_path / "hierarchy.yml").write_text(yaml.safe_dump(text), "utf-8")
    with pytest.raises(ValueError, match=words.replace("/", "\\/")):
        load_hierarchy(tmp_path / "hierarchy.yml")


def test_a_served_lab_ends_at_sigterm(tmp_path: Path, lab_hierarchy: Hierarchy) -> None:
    file = tmp_path / "hierarchy.yml"
    file.write_text(yaml.safe_dump(json.loads(lab_hierarchy.model_dump_json())), "utf-8")
    code = (
        "import sys; from pathlib import Path; from sitekeeper_lab.server import serve; "
        "serve(Path(sys.argv[1]), Path(sys.argv[2]), lambda lab: print(lab.control.url, flush=True))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "modules")}
    command = [sys.executable, "-c", code, str(file), str(tmp_path / "lab")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert "PR1" in ask(f"{url}/state")["hosts"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
