"""Our own log-in by Kerberos: a ticket from a real KDC, and the lab's WinRM that takes it with a keytab."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sitekeeper_lab.server import Lab

from .counting import Row, count
from .foreign_lab import PASSWORD, ROOT, one_host, running
from .realm import REALM, Realm, missing

HOST = "pr2.lab.example"
SQL = f"MSSQLSvc/{HOST}:1433"


@pytest.fixture(name="realm", scope="module")
def one_realm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Realm]:
    if name := missing():
        pytest.skip(f"no Kerberos: {name} is not installed (krb5-kdc, krb5-admin-server, krb5-user)")
    if not all(map(importlib.util.find_spec, ("gssapi", "krb5"))):
        pytest.skip("no Kerberos: the packages gssapi and krb5 are not installed (the extra kerberos)")
    with Realm(tmp_path_factory.mktemp("kerberos") / "realm") as realm, realm.here():
        realm.add_user("backup", PASSWORD)
        realm.add_user("stranger", "known to the KDC alone")
        realm.add_service(realm.folder / "pr2.keytab", f"HTTP/{HOST}", f"host/{HOST}", f"WSMAN/{HOST}", SQL)
        yield realm


@pytest.fixture(name="lab", scope="module")
def lab_with_a_keytab(realm: Realm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    hierarchy = one_host().with_(keytab=realm.folder / "pr2.keytab")
    with running(tmp_path_factory.mktemp("kerberized") / "lab", hierarchy=hierarchy) as lab:
        yield lab


class Run:
    """Our command line, as an operator starts it: another process, its tickets in its environment."""

    def __init__(self, lab: Lab, folder: Path, ccache: Path | None, **variables: Any) -> None:
        self._lab = lab
        data = lab.inventory()
        data["all"]["vars"] |= {
            "ansible_psrp_auth": "kerberos",
            "ansible_psrp_negotiate_hostname_override": HOST,
            "ansible_user": f"backup@{REALM}",
            "ansible_password": None,
            **variables,
        }
        data["all"]["vars"] = {name: value for name, value in data["all"]["vars"].items() if value is not None}
        if data["all"]["vars"]["ansible_psrp_protocol"] == "https":
            data["all"]["vars"]["ansible_psrp_ca_cert"] = str(lab.ca)
            data["all"]["children"]["sites"]["hosts"]["PR2"]["ansible_port"] = lab.machines["PR2"].wsman.https_port
        inventory = folder / "hosts.yml"
        inventory.write_text(yaml.safe_dump(data))
        self._seen = len(lab.audit_lines(0))
        environment = dict(os.environ)
        if ccache is not None:
            environment["KRB5CCNAME"] = f"FILE:{ccache}"
        done = subprocess.run(
            [
                *(sys.executable, "-m", "sitekeeper.cli.main", "run", str(ROOT / "playbooks" / "check.yml")),
                *("-i", str(inventory), "-e", f"store={folder / 'store'}", "--runs", str(folder / "runs"), "--json"),
            ],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=110,
        )
        self.code = done.returncode
        self.text = done.stdout + done.stderr
        self.events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    @property
    def logins(self) -> set[tuple[str, str]]:
        """Who was let in, and how, as the host saw it."""
        return {(line["user"], line["login"]) for line in self.audit if line["event"] == "request" and line["user"]}

    @property
    def audit(self) -> list[dict[str, Any]]:
        """What the lab wrote down during the run."""
        return self._lab.audit_lines(self._seen)

    @property
    def error(self) -> str:
        return next(str(event["error"]) for event in self.events if event["event"] == "HostEnded")


@pytest.mark.parametrize("protocol", ["http", "https"])
def test_a_ticket_logs_in(lab: Lab, realm: Realm, tmp_path: Path, protocol: str) -> None:
    ticket = realm.kinit("backup", PASSWORD)
    run = Run(lab, tmp_path, ticket, ansible_psrp_protocol=protocol)
    assert run.code == 0, run.text
    assert run.logins == {("LAB\\backup", "kerberos")}
    assert f"host/{HOST}@{REALM}" in realm.run("klist", ccache=ticket)
    count(Row.KERBEROS, 1, f"WinRM over {protocol}")


def test_without_a_user_it_is_the_one_of_the_ticket(lab: Lab, realm: Realm, tmp_path: Path) -> None:
    run = Run(lab, tmp_path, realm.kinit("backup", PASSWORD), ansible_user=None)
    assert run.code == 0, run.text
    assert run.logins == {("LAB\\backup", "kerberos")}
    count(Row.KERBEROS, 1, "user of the ticket")


def test_a_password_gets_its_own_ticket(lab: Lab, realm: Realm, tmp_path: Path) -> None:
    run = Run(lab, tmp_path, None, ansible_password=PASSWORD, ansible_psrp_negotiate_service="WSMAN")
    assert run.code == 0, run.text
    assert run.logins == {("LAB\\backup", "kerberos")}
    assert not (realm.folder / "no-ticket").exists()
    count(Row.KERBEROS, 1, "by password")


def test_negotiate_prefers_the_ticket(lab: Lab, realm: Realm, tmp_path: Path) -> None:
    run = Run(lab, tmp_path, realm.kinit("backup", PASSWORD), ansible_psrp_auth="negotiate")
    assert run.code == 0, run.text
    assert run.logins == {("LAB\\backup", "kerberos")}
    count(Row.KERBEROS, 1, "negotiate")


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        (
            {},
            ("by kerberos failed: Can't find client principal backup@LAB.EXAMPLE in cache", "get a ticket with kinit"),
        ),
        ({"ansible_user": None}, ("by kerberos failed: No Kerberos credentials available", "get a ticket with kinit")),
        ({"ansible_password": "wrong"}, ("by kerberos failed: ", "get a ticket with kinit")),
        ({"ansible_psrp_auth": "negotiate", "ansible_user": None}, ("by negotiate failed: ", "set ansible_user")),
    ],
)
def test_without_a_ticket_it_says_what_to_do(
    lab: Lab, tmp_path: Path, variables: dict[str, Any], says: tuple[str, ...]
) -> None:
    run = Run(lab, tmp_path, None, **variables)
    assert run.code == 6, run.text
    assert all(part in run.text for part in says), run.error
    assert run.logins == set()


def test_a_ticket_for_a_host_that_the_kdc_does_not_know(lab: Lab, realm: Realm, tmp_path: Path) -> None:
    ticket = realm.kinit("backup", PASSWORD)
    run = Run(lab, tmp_path, ticket, ansible_psrp_negotiate_hostname_override="other.lab.example")
    assert run.code == 6, run.text
    assert "not found in Kerberos database" in run.error
    assert run.logins == set()


def test_a_user_of_the_realm_who_has_no_account_here(lab: Lab, realm: Realm, tmp_path: Path) -> None:
    ticket = realm.kinit("stranger", "known to the KDC alone")
    run = Run(lab, tmp_path, ticket, ansible_user=f"stranger@{REALM}")
    assert run.code == 6, run.text
    assert run.logins == set()


def test_a_windows_name_is_refused_at_its_line(lab: Lab, tmp_path: Path) -> None:
    run = Run(lab, tmp_path, None, ansible_user="LAB\\backup")
    assert run.code == 3, run.text
    assert "is not a Kerberos principal" in run.text


DRIVERS = ["freetds", "microsoft"]


def _dial(lab: Lab, kind: str, principal: str = SQL) -> Any:
    pyodbc = pytest.importorskip("pyodbc", exc_type=ImportError)
    sql = lab.machines["PR2"].sql
    assert sql is not None
    if kind == "freetds":
        if "FreeTDS" not in pyodbc.drivers():
            pytest.skip("FreeTDS is not registered with unixODBC")
        text = f"DRIVER=FreeTDS;SERVER={sql.address};PORT={sql.port};TDS_Version=7.4;Encryption=require;"
    else:
        wheel: Any = pytest.importorskip("mssql_python_odbc", reason="mssql-python-odbc is not installed")
        path = next(Path(wheel.__file__).parent.glob("libs/linux/debian_ubuntu/*/lib/libmsodbcsql-18*"))
        text = f"DRIVER={path};SERVER={sql.address},{sql.port};Encrypt=yes;TrustServerCertificate=yes;"
    return pyodbc.connect(f"{text}DATABASE=CM_PR2;Trusted_Connection=yes;ServerSPN={principal};", autocommit=True)


@pytest.mark.parametrize("kind", DRIVERS)
def test_a_driver_logs_in_to_sql_server_by_ticket(
    lab: Lab, realm: Realm, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = realm.kinit("backup", PASSWORD)
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{ticket}")
    connection = _dial(lab, kind)
    assert connection.execute("SELECT ORIGINAL_LOGIN()").fetchval() == "LAB\\backup"
    connection.close()
    assert f"{SQL}@{REALM}" in realm.run("klist", ccache=ticket)
    count(Row.KERBEROS, 1, f"SQL Server by {kind}")


@pytest.mark.parametrize("kind", DRIVERS)
def test_a_stranger_s_ticket_and_none_open_no_sql_server(
    lab: Lab, realm: Realm, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pyodbc = pytest.importorskip("pyodbc", exc_type=ImportError)
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{realm.kinit('stranger', 'known to the KDC alone')}")
    with pytest.raises(pyodbc.Error, match="18452"):
        _dial(lab, kind)
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{realm.folder / 'no-ticket'}")
    with pytest.raises(pyodbc.Error):
        _dial(lab, kind)


@pytest.mark.parametrize("kind", DRIVERS)
def test_the_whole_check_has_no_password_anywhere(lab: Lab, realm: Realm, tmp_path: Path, kind: str) -> None:
    driver = {"sql_driver": "FreeTDS"}
    if kind == "microsoft":
        wheel: Any = pytest.importorskip("mssql_python_odbc", reason="mssql-python-odbc is not installed")
        path = next(Path(wheel.__file__).parent.glob("libs/linux/debian_ubuntu/*/lib/libmsodbcsql-18*"))
        driver = {"sql_driver": str(path), "sql_encrypt": "trust"}
    ticket = realm.kinit("backup", PASSWORD)
    run = Run(lab, tmp_path, ticket, sql_user=None, sql_password=None, sql_principal=SQL, **driver)
    assert run.code == 0, run.text
    assert run.logins == {("LAB\\backup", "kerberos")}
    assert {line["user"] for line in run.audit if line["event"] == "sql"} == {"LAB\\backup"}
    count(Row.KERBEROS, 1, f"a whole check without a password, {kind}")
