"""What one driver alone, or another client altogether, can ask of the lab's SQL Server."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sitekeeper_lab.sql.server import TdsServer

Serve = Callable[..., TdsServer]

PASSWORD = "Pa;ss{}1 =é"


@pytest.mark.parametrize("version", ["7.1", "7.2", "7.3", "7.4"])
@pytest.mark.parametrize("encryption", ["off", "request", "require"])
def test_freetds_speaks_every_version(serve: Serve, version: str, encryption: str) -> None:
    pyodbc = pytest.importorskip("pyodbc", exc_type=ImportError)
    if "FreeTDS" not in pyodbc.drivers():
        pytest.skip("FreeTDS is not registered with unixODBC")
    server = serve()
    text = f"DRIVER=FreeTDS;SERVER=127.0.0.1;PORT={server.port};UID=reader;PWD=r;DATABASE=CM_ABC;ClientCharset=UTF-8;"
    connection = pyodbc.connect(f"{text}TDS_Version={version};Encryption={encryption};", autocommit=True, timeout=10)
    row = connection.execute(
        "SELECT N'é', CAST('long' AS nvarchar(max)), CAST('2026-01-02 03:04:05.123' AS datetime2(3)), CAST(NULL AS varchar(max)), 0x01"
    ).fetchone()
    assert (row[0], row[1], str(row[2])[:19], row[3], row[4]) == ("é", "long", "2026-01-02 03:04:05", None, b"\1")
    assert connection.execute("SELECT COUNT(*) FROM LabCounter WHERE id = ?", 1).fetchval() == 1
    connection.close()


@pytest.mark.parametrize("password", ["N7lm!pass", "wrong"])
def test_freetds_logs_in_a_windows_account_by_ntlm(serve: Serve, password: str) -> None:
    pyodbc = pytest.importorskip("pyodbc", exc_type=ImportError)
    if "FreeTDS" not in pyodbc.drivers():
        pytest.skip("FreeTDS is not registered with unixODBC")
    server = serve()
    text = f"DRIVER=FreeTDS;SERVER=127.0.0.1;PORT={server.port};UID=CONTOSO\\svc-backup;PWD={password};TDS_Version=7.4;"
    if password == "wrong":
        with pytest.raises(pyodbc.Error, match="18452"):
            pyodbc.connect(text, autocommit=True, timeout=10)
    else:
        connection = pyodbc.connect(text, autocommit=True, timeout=10)
        assert connection.execute("SELECT ORIGINAL_LOGIN()").fetchval() == "CONTOSO\\svc-backup"
        connection.close()


def test_microsofts_driver_speaks_strict(serve: Serve, certificate: Path) -> None:
    pyodbc = pytest.importorskip("pyodbc", exc_type=ImportError)
    wheel: Any = pytest.importorskip("mssql_python_odbc")
    driver = next(Path(wheel.__file__).parent.glob("libs/linux/debian_ubuntu/*/lib/libmsodbcsql-18*"))
    server = serve("2022", encryption="strict")
    text = f"DRIVER={driver};SERVER=127.0.0.1,{server.port};UID=reader;PWD=r;Encrypt=strict;ServerCertificate={certificate};"
    connection = pyodbc.connect(text, autocommit=True, timeout=10)
    assert connection.execute("SELECT 1").fetchval() == 1
    connection.close()
    with pytest.raises(pyodbc.Error):
        pyodbc.connect(text.replace("strict", "no", 1), autocommit=True, timeout=5)


@pytest.mark.parametrize("version", [0x71000001, 0x72090002, 0x730B0003, 0x74000004])
def test_python_tds_a_client_of_its_own(serve: Serve, version: int) -> None:
    pytds = pytest.importorskip("pytds")
    server = serve()
    with (
        pytds.connect(
            "127.0.0.1", "CM_ABC", "sa", PASSWORD, port=server.port, autocommit=True, tds_version=version, timeout=10
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "SELECT SiteCode, N'é', CAST(1.5 AS decimal(5,2)), GETDATE() FROM Sites WHERE SiteCode = %s", ("abc",)
        )
        assert cursor.fetchall()[0][:3] == ("ABC", "é", Decimal("1.5"))
        cursor.execute("SELECT 1 AS a; SELECT 2 AS b")
        assert cursor.fetchall() == [(1,)]
        assert cursor.nextset()
        assert cursor.fetchall() == [(2,)]
        with pytest.raises(pytds.ProgrammingError, match="Invalid object name"):
            cursor.execute("SELECT * FROM nothing")
        cursor.execute("SELECT data FROM LabBulk")
        assert cursor.fetchall() == []


def test_python_tds_begins_and_commits(serve: Serve) -> None:
    pytds = pytest.importorskip("pytds")
    server = serve()
    with pytds.connect("127.0.0.1", "CM_ABC", "sa", PASSWORD, port=server.port, timeout=10) as connection:
        cursor = connection.cursor()
        cursor.execute("UPDATE LabCounter SET value = 5")
        connection.commit()
        cursor.execute("SELECT value FROM LabCounter")
        assert cursor.fetchall() == [(5,)]
        cursor.close()
