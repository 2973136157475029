"""Clients that we did not write, unmodified, against the lab's SQL Server: the same questions to each."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sitekeeper.sql.server import queries
from sitekeeper_lab.server import Lab

from .counting import Row, count
from .foreign_lab import running


@dataclass(frozen=True)
class Said:
    """What came back: the rows of each result, the numbers of messages that the client shows, and the error's number."""

    results: list[list[list[Any]]]
    numbers: list[int]
    error: int | None = None


Ask = Callable[[Lab, str, str], Said]


def _target(lab: Lab) -> tuple[str, int]:
    sql = lab.machines["PR2"].sql
    assert sql is not None
    return lab.hierarchy.hosts["PR2"].address, sql.port


def _by_odbc(driver: str, lab: Lab, password: str, sql: str) -> Said:
    pyodbc = pytest.importorskip("pyodbc", exc_type=ImportError)
    host, port = _target(lab)
    if driver == "FreeTDS":
        if "FreeTDS" not in pyodbc.drivers():
            pytest.skip("FreeTDS is not registered with unixODBC")
        text = f"DRIVER=FreeTDS;SERVER={host};PORT={port};TDS_Version=7.4;Encryption=require;ClientCharset=UTF-8;"
    else:
        wheel: Any = pytest.importorskip("mssql_python_odbc", reason="mssql-python-odbc is not installed")
        path = next(Path(wheel.__file__).parent.glob("libs/linux/debian_ubuntu/*/lib/libmsodbcsql-18*"))
        text = f"DRIVER={path};SERVER={host},{port};Encrypt=yes;TrustServerCertificate=yes;"
    said = Said([], [])
    try:
        connection = pyodbc.connect(
            f"{text}UID=sitekeeper;PWD={password};DATABASE=CM_PR2;", autocommit=True, timeout=10
        )
        try:
            cursor = connection.cursor()
            cursor.execute(sql)
            while True:
                said.numbers.extend(int(found[1]) for each in cursor.messages if (found := _NUMBER.search(each[0])))
                if cursor.description:
                    said.results.append([list(row) for row in cursor.fetchall()])
                if not cursor.nextset():
                    return said
        finally:
            connection.close()
    except pyodbc.Error as error:
        (number, *_) = re.findall(r"\((\d+)\)", str(error.args[1]))
        return Said(said.results, said.numbers, int(number))


_NUMBER = re.compile(r"\((\d+)\)$")


def _by_freetds(lab: Lab, password: str, sql: str) -> Said:
    return _by_odbc("FreeTDS", lab, password, sql)


def _by_microsofts_driver(lab: Lab, password: str, sql: str) -> Said:
    return _by_odbc("Microsoft", lab, password, sql)


def _by_python_tds(lab: Lab, password: str, sql: str) -> Said:
    pytds = pytest.importorskip("pytds", reason="python-tds is not installed")
    host, port = _target(lab)
    said = Said([], [])
    try:
        with (
            pytds.connect(host, "CM_PR2", "sitekeeper", password, port=port, autocommit=True, timeout=20) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(sql)
            while True:
                if cursor.description:
                    said.results.append([list(row) for row in cursor.fetchall()])
                if not cursor.nextset():
                    said.numbers.extend(error.number for _, error in cursor.messages if error.number)
                    return said
    except pytds.DatabaseError as error:
        return Said(said.results, said.numbers, error.number)


def _by_pymssql(lab: Lab, password: str, sql: str) -> Said:
    pymssql = pytest.importorskip("pymssql", reason="pymssql is not installed")
    host, port = _target(lab)
    said = Said([], [])
    try:
        with (
            pymssql.connect(host, "sitekeeper", password, "CM_PR2", port=str(port), autocommit=True) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(sql)
            while True:
                if cursor.description:
                    said.results.append([list(row) for row in cursor.fetchall()])
                if not cursor.nextset():
                    return said
    except pymssql.Error as error:
        return Said(said.results, said.numbers, _first_number(error.args))


def _first_number(arguments: Any) -> int:
    while not isinstance(arguments, int):
        arguments = arguments[0]
    return arguments


def _by_tedious(lab: Lab, password: str, sql: str) -> Said:
    folder, node = os.environ.get("SITEKEEPER_TEDIOUS"), shutil.which("node")
    if not folder or not node or not (Path(folder) / "node_modules" / "tedious").is_dir():
        pytest.skip("no node with tedious: SITEKEEPER_TEDIOUS is not set to a folder where it is installed")
    host, port = _target(lab)
    asked = {"server": host, "port": port, "user": "sitekeeper", "password": password, "database": "CM_PR2", "sql": sql}
    done = subprocess.run(
        [node, "--no-deprecation", str(Path(__file__).with_name("ask_by_tedious.mjs")), folder],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return Said(**json.loads(done.stdout))


CLIENTS: dict[str, Ask] = {
    "FreeTDS by ODBC": _by_freetds,
    "msodbcsql18": _by_microsofts_driver,
    "python-tds": _by_python_tds,
    "pymssql": _by_pymssql,
    "tedious": _by_tedious,
}
SHOWS_MESSAGES = {"FreeTDS by ODBC", "msodbcsql18", "python-tds", "tedious"}


@pytest.fixture(name="lab", scope="module")
def one_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running(tmp_path_factory.mktemp("tds") / "lab") as lab:
        yield lab


@pytest.fixture(name="answers", scope="module")
def answers_of_the_first_client() -> dict[str, list[list[str]]]:
    return {}


def _plain(value: Any) -> str:
    """A value as every client can say it: node has no bytes, and numbers of 64 bits are texts there."""
    if isinstance(value, dict):  # node's Buffer in JSON
        value = bytes(value["data"])
    if isinstance(value, bool):
        value = int(value)
    if isinstance(value, dt.datetime):
        value = value.replace(tzinfo=None).isoformat(timespec="seconds")
    return value.hex() if isinstance(value, bytes) else str(value)


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_asks_and_reads_messages_and_errors(lab: Lab, name: str, answers: dict[str, list[list[str]]]) -> None:
    ask = CLIENTS[name]
    right = "Lab-Sql-1"
    site = ask(lab, right, "SELECT SiteCode, N'é', 42, CAST(NULL AS varchar(9)) FROM Sites WHERE SiteCode = 'PR2'")
    assert site == Said([[["PR2", "é", 42, None]]], site.numbers)
    spoken = ask(lab, right, "SELECT 1 AS a; RAISERROR(N'half way', 10, 1); SELECT 2 AS b")
    assert spoken.results == [[[1]], [[2]]]
    assert spoken.error is None
    assert spoken.numbers.count(50000) == (name in SHOWS_MESSAGES)
    assert ask(lab, right, "SELECT * FROM nothing").error == 208
    assert ask(lab, right, "SELECT 1 AS a; RAISERROR(N'stop', 16, 1)").error == 50000
    assert ask(lab, "wrong", "SELECT 1").error == 18456
    ours = {**queries.STATEMENTS, **queries.SINCE_2008, "row_counts": queries.row_counts(["Sites"], database="CM_PR2")}
    for what, sql in ours.items():
        said = ask(lab, right, sql.replace("?", "N'CM_PR2'"))
        assert said.error is None
        rows = [[_plain(value) for value in row] for row in said.results[0]]
        if what == "files":  # the site is alive: its files grow
            rows = [row[:-1] for row in rows]
        assert answers.setdefault(what, rows) == rows, what
    assert answers["database"][0][0] == "CM_PR2"
    count(Row.CLIENTS, 1, name)
