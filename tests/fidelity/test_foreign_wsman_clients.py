"""Clients that we did not write, unmodified, against the lab's WinRM: pypsrp, pywinrm, ansible-core's psrp connection."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pypsrp.client import Client
from pypsrp.exceptions import AuthenticationError
from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.wsman import WSMan

from sitekeeper_lab.server import Lab

from .counting import Row, count
from .foreign_lab import ADMIN, ENGINES, PASSWORD, PWSH, USER, pipelines, running

COLLECTIONS = os.environ.get("SITEKEEPER_ANSIBLE_COLLECTIONS")
"""A folder with ``ansible_collections/ansible/windows``, which is not part of ansible-core."""
NAME = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion"


@pytest.fixture(name="lab", params=ENGINES, scope="module")
def lab_of_each_engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running(tmp_path_factory.mktemp("foreign") / "lab", request.param) as lab:
        yield lab


def _ways(lab: Lab) -> list[dict[str, Any]]:
    """Every way of logging in that needs no domain, as arguments of pypsrp."""
    server = lab.machines["PR2"].wsman
    http = {"port": server.http_port, "ssl": False, "no_proxy": True}
    https = {"port": server.https_port, "ssl": True, "cert_validation": str(lab.ca), "no_proxy": True}
    certificate, key = lab.authority.client("backup", lab.hierarchy.dns)
    return [
        {**http, **ADMIN, "auth": "ntlm"},
        {**http, **ADMIN, "auth": "negotiate", "encryption": "always"},
        {**https, **ADMIN, "auth": "basic"},
        {**https, **ADMIN, "auth": "negotiate"},
        {**https, **ADMIN, "auth": "ntlm", "encryption": "always"},
        {**https, "auth": "certificate", "certificate_pem": str(certificate), "certificate_key_pem": str(key)},
    ]


def test_pypsrp(lab: Lab, tmp_path: Path) -> None:
    server = lab.machines["PR2"].wsman.address
    for way in _ways(lab):
        with WSMan(server, **way) as wsman, RunspacePool(wsman) as pool:
            with PowerShell(pool) as ps:
                ps.add_cmdlet("Get-Service").add_parameter("Name", ["SMS_EXECUTIVE", "nobody"]).add_statement()
                ps.add_cmdlet("Get-Service").add_parameter("Name", ["Spooler"])
                services = ps.invoke()
            assert [each.adapted_properties["ServiceName"] for each in services] == ["SMS_EXECUTIVE", "Spooler"]
            assert [str(error.fq_error) for error in ps.streams.error] == [
                "NoServiceFoundForGivenName,Microsoft.PowerShell.Commands.GetServiceCommand"
            ]
            assert pool.get_available_runspaces() == 1
            pool.disconnect()
            pool.connect()
            with PowerShell(pool) as ps:
                ps.add_cmdlet("Get-Nothing").invoke()
                assert ps.had_errors
                assert ps.streams.error[0].fq_error == "CommandNotFoundException"
        with Client(server, **way) as client:
            (tmp_path / "out.bin").write_bytes(os.urandom(40_000))
            client.copy(str(tmp_path / "out.bin"), "D:\\in.bin")
            client.fetch("D:\\in.bin", str(tmp_path / "back.bin"))
            assert (tmp_path / "back.bin").read_bytes() == (tmp_path / "out.bin").read_bytes()
        with (
            pytest.raises(AuthenticationError),
            WSMan(server, **{**way, "auth": "ntlm", "username": USER, "password": "wrong"}) as wsman,
        ):
            RunspacePool(wsman).open()
    count(Row.CLIENTS, 1, "pypsrp")


def test_pywinrm(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    winrm = pytest.importorskip("winrm", reason="pywinrm is not installed")
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # it warns of them
        monkeypatch.delenv(name, raising=False)
    server = lab.machines["PR2"].wsman
    for url, options in (
        (f"http://{server.address}:{server.http_port}/wsman", {"transport": "ntlm", "message_encryption": "always"}),
        (f"https://{server.address}:{server.https_port}/wsman", {"transport": "basic", "ca_trust_path": str(lab.ca)}),
    ):
        session = winrm.Session(url, auth=(USER, PASSWORD), **options)
        found = session.run_cmd("reg.exe", ["query", f'"{NAME}"'])
        assert found.status_code == 0
        assert NAME.replace("HKLM", "HKEY_LOCAL_MACHINE") in found.std_out.decode()
        absent = session.run_cmd("reg", ["query", r"HKLM\nothing"])
        assert (absent.status_code, absent.std_out) == (1, b"")
        assert absent.std_err.startswith(b"ERROR: ")
        assert lab.machines["PR2"].wsman.shell_ids == []
        with pytest.raises(winrm.exceptions.WinRMError, match="emulator: the command line 'powershell"):
            session.run_ps("Get-Service")
        lab.machines["PR2"].wsman.reboot()  # it leaves the shell of a failed command open
        with pytest.raises(winrm.exceptions.InvalidCredentialsError):
            winrm.Session(url, auth=(USER, "wrong"), **options).run_cmd("reg")
    count(Row.CLIENTS, 1, "pywinrm")


def _ansible(lab: Lab, folder: Path, module: str, arguments: str, **variables: Any) -> subprocess.CompletedProcess[str]:
    if importlib.util.find_spec("ansible") is None:
        pytest.skip("ansible-core is not installed")
    server = lab.machines["PR2"].wsman
    said = {
        "ansible_connection": "psrp",
        "ansible_host": server.address,
        "ansible_port": server.http_port,
        "ansible_user": USER,
        "ansible_password": PASSWORD,
        "ansible_psrp_protocol": "http",
        **variables,
    }
    inventory = folder / "hosts.yml"
    inventory.write_text(
        "all: {hosts: {PR2: {" + ", ".join(f"{name}: '{value}'" for name, value in said.items()) + "}}}\n"
    )
    empty = folder / "ansible.cfg"
    empty.touch()
    return subprocess.run(
        [
            *(sys.executable, "-m", "ansible", "adhoc", "PR2", "--inventory", str(inventory)),
            *("--module-name", module, "--args", arguments),
        ],
        env={
            "PATH": os.environ["PATH"],
            "LC_ALL": "C.UTF-8",
            "HOME": str(folder),
            "ANSIBLE_HOME": str(folder / "ansible"),
            "ANSIBLE_CONFIG": str(empty),
            "ANSIBLE_NOCOLOR": "1",
            "no_proxy": "*",
            "ANSIBLE_COLLECTIONS_PATH": COLLECTIONS or str(folder),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


@pytest.mark.parametrize("protocol", ["http", "https"])
def test_ansibles_raw(lab: Lab, tmp_path: Path, protocol: str) -> None:
    https = {
        "ansible_port": lab.machines["PR2"].wsman.https_port,
        "ansible_psrp_protocol": "https",
        "ansible_psrp_auth": "basic",
        "ansible_psrp_ca_cert": str(lab.ca),
    }
    variables = https if protocol == "https" else {}
    seen = len(lab.audit_lines(0))
    done = _ansible(lab, tmp_path, "raw", f'reg.exe query "{NAME}"', **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PR2 | CHANGED | rc=0 >>" in done.stdout
    assert NAME.replace("HKLM", "HKEY_LOCAL_MACHINE") in done.stdout
    assert "REG_SZ" in done.stdout
    assert len(pipelines(lab, seen)) == 1
    wrong = _ansible(lab, tmp_path, "raw", "reg.exe query x", **{**variables, "ansible_password": "wrong"})
    assert "UNREACHABLE!" in wrong.stdout
    assert wrong.returncode == 4
    count(Row.CLIENTS, protocol == "http", "ansible-core psrp: raw")


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        ("Get-Service | Where-Object { $_.Status -eq 1 }", "emulator: the script text"),
        (r"reg.exe query HKLM\nothing", "emulator: reg.exe failing inside a script"),
        ("vssadmin.exe resize everything", "emulator: vssadmin"),
        ("format.exe", "emulator: the command format.exe"),
    ],
)
def test_what_the_python_engine_cannot_run_says_so(lab: Lab, tmp_path: Path, command: str, refusal: str) -> None:
    done = _ansible(lab, tmp_path, "raw", command)
    assert done.returncode == 2
    assert "PR2 | FAILED | rc=1 >>" in done.stdout
    assert refusal in done.stdout


@pytest.mark.timeout(300)
@pytest.mark.skipif(PWSH is None, reason="no PowerShell: set SITEKEEPER_PWSH or put pwsh on the PATH")
def test_ansible_over_a_real_powershell(tmp_path: Path) -> None:
    """What needs a PowerShell, unmodified: a pipeline in raw, and a module that sends its own wrapper and C#.

    win_powershell is left out: it redirects handles of a Windows console, which PowerShell on Linux has not.
    """
    with running(tmp_path / "lab", "pwsh") as lab:
        service = "Get-Service -Name SMS_EXECUTIVE | ForEach-Object { $_.Name + ' ' + $_.Status }"
        done = _ansible(lab, tmp_path, "raw", service)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "SMS_EXECUTIVE Running" in done.stdout
        count(Row.CLIENTS, 1, "ansible-core psrp: raw over a real PowerShell")
        if COLLECTIONS is None:
            pytest.skip("no ansible.windows: SITEKEEPER_ANSIBLE_COLLECTIONS names the folder of its collections")
        done = _ansible(lab, tmp_path, "ansible.windows.win_ping", "data=here")
        assert done.returncode == 0, done.stdout + done.stderr
        assert '"ping": "here"' in done.stdout
        count(Row.CLIENTS, 1, "ansible.windows.win_ping")
