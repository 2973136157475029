"""What can strike a host of the lab, and what it looks like from outside."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.hierarchies import hosts_of_the_lab

from sitekeeper_lab.hierarchy import Hierarchy
from sitekeeper_lab.server import Lab
from sitekeeper_lab.state import read_state
from sitekeeper_lab.windows.machine import SQL_WRITER
from sitekeeper_lab.windows.vss import PHASES, Vss, VssError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Lab]:
    data = hosts_of_the_lab("PR2", size=0.1)
    with Lab(Hierarchy.model_validate(data), tmp_path / "lab") as lab:
        yield lab


def made(lab: Lab) -> Any:
    host = lab.host("PR2")
    volumes = [volume.id for volume in host.machine.volumes]
    return Vss(host).create(volumes, excluded=frozenset(), with_writers=True, full=False, persistent=True)


@pytest.mark.parametrize("phase", [one for one in PHASES if one != "backup_complete"])
def test_a_writer_that_fails_leaves_no_set_and_its_state(served: Lab, phase: str) -> None:
    served.fault("PR2", "writer_fails", phase=phase, code="0x800423F2")
    with pytest.raises(VssError) as caught:
        made(served)
    assert caught.value.name == "VSS_E_WRITERERROR_TIMEOUT"
    machine = read_state(served.folder / "PR2").machine
    assert machine.shadows == []
    (writer,) = [one for one in machine.writers if one.id == SQL_WRITER]
    assert (writer.state, writer.error) == (PHASES[phase], "Timed out")


def test_a_writer_that_fails_at_the_very_end_spoils_no_set(served: Lab) -> None:
    served.fault("PR2", "writer_fails", phase="backup_complete")
    assert "CM_PR2" in made(served).document
    (writer,) = [one for one in read_state(served.folder / "PR2").machine.writers if one.id == SQL_WRITER]
    assert writer.state == PHASES["backup_complete"]


def test_sql_server_that_stopped_has_no_database_in_a_set_and_listens_again(served: Lab) -> None:
    sql = served.machines["PR2"].sql
    assert sql is not None
    address = (sql.address, sql.port)
    served.fault("PR2", "sql_stops")
    assert read_state(served.folder / "PR2").states("MSSQLSERVER") == {"MSSQLSERVER": "Stopped"}
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, 5)
    assert "CM_PR2" not in made(served).document
    served.fault("PR2", "sql_starts")
    socket.create_connection(address, 5).close()
    assert "CM_PR2" in made(served).document


def test_a_black_hole_takes_a_request_and_answers_when_it_is_over(served: Lab) -> None:
    wsman = served.machines["PR2"].wsman
    assert wsman.http_port is not None
    request = b"POST /wsman HTTP/1.1\r\nHost: x\r\nWSMANIDENTIFY: unauthenticated\r\nContent-Length: 0\r\n\r\n"
    served.fault("PR2", "black_hole")
    with socket.create_connection((wsman.address, wsman.http_port), 5) as taken:
        taken.sendall(request)
        taken.settimeout(0.5)
        with pytest.raises(TimeoutError):
            taken.recv(1)
        served.clear_faults()
        taken.settimeout(5)
        assert taken.recv(1) == b"", "what was swallowed stays so"
    with socket.create_connection((wsman.address, wsman.http_port), 5) as again:
        again.sendall(request)
        assert again.recv(12) == b"HTTP/1.1 200"


def test_clock_zone_dates_and_policy_stay_as_they_were_set(served: Lab) -> None:
    host = served.host("PR2")
    served.fault("PR2", "clock_set", seconds=-600)
    served.fault("PR2", "time_zone", minutes=60)
    served.fault("PR2", "date_format", format="%d.%m.%Y")
    served.fault("PR2", "all_signed")
    assert 590 < (served.clock.now() - host.now()).total_seconds() < 610
    machine = read_state(served.folder / "PR2").machine
    assert machine.os.bias == 60
    assert machine.os.written(host.now()) == f"{host.now():%d.%m.%Y}"
    policy = host.registry.value(r"HKLM\SOFTWARE\Policies\Microsoft\Windows\PowerShell", "ExecutionPolicy")
    assert policy is not None
    assert policy.data == "AllSigned"


def test_deleted_copies_and_lost_shells(served: Lab) -> None:
    made(served)
    served.fault("PR2", "shadows_deleted")
    assert read_state(served.folder / "PR2").machine.shadows == []
    served.fault("PR2", "winrm_restarts")
    assert served.machines["PR2"].wsman.shell_ids == []
