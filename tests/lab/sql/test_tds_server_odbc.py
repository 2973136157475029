"""The lab's SQL Server as real ODBC drivers see it."""

from __future__ import annotations

import datetime as dt
import decimal
import threading
from collections.abc import Callable
from typing import Any

import pytest

from sitekeeper_lab.sql.database import Login
from sitekeeper_lab.sql.server import TdsServer

Serve = Callable[..., TdsServer]
Ask = Callable[..., Any]

pyodbc = pytest.importorskip("pyodbc", exc_type=ImportError)


def test_types_arrive_as_they_are(serve: Serve, dial: Ask) -> None:
    row = (
        dial(serve())
        .execute(
            "SELECT 1 AS i, CAST(9000000000 AS bigint), CAST(1 AS bit), N'é€' AS text, CAST(12.5 AS decimal(10,2)), "
            "CAST('2026-01-31 12:34:56.789' AS datetime), CAST('2026-02-01' AS date), 0x0102, NULL, CAST(0.5 AS float), "
            "CAST('6f9619ff-8b86-d011-b42d-00c04fc964ff' AS uniqueidentifier), CAST('x' AS varchar(max)), "
            "CAST(255 AS tinyint), CAST(-3 AS smallint)"
        )
        .fetchone()
    )
    assert tuple(row) == (
        1,
        9000000000,
        True,
        "é€",
        decimal.Decimal("12.50"),
        dt.datetime(2026, 1, 31, 12, 34, 56, 790000),  # noqa: DTZ001  # datetime counts in 1/300 s
        dt.date(2026, 2, 1),
        b"\1\2",
        None,
        0.5,
        "6F9619FF-8B86-D011-B42D-00C04FC964FF",
        "x",
        255,
        -3,
    )


@pytest.mark.parametrize("value", [5, "text é", None, b"\0\1", 2.5, dt.datetime(2026, 1, 2, 3, 4, 5)])  # noqa: DTZ001
def test_parameters_come_back(serve: Serve, dial: Ask, value: Any) -> None:
    assert dial(serve()).execute("SELECT ? AS back", value).fetchval() == value


def test_large_parameters_and_batches(serve: Serve, dial: Ask) -> None:
    connection = dial(serve())
    assert connection.execute("SELECT LEN(?)", "x" * 1_200_000).fetchval() == 1_200_000
    assert connection.execute(f"SELECT LEN('{'y' * 150_000}')").fetchval() == 150_000
    assert len(connection.execute("SELECT ?", "z" * 300_000).fetchval()) == 300_000


def test_changes_are_in_the_files(serve: Serve, dial: Ask) -> None:
    server = serve()
    database = server.instance.databases["CM_ABC"]
    cursor = dial(server).cursor()
    cursor.executemany(
        "INSERT INTO dbo.LabTraffic (source, at) VALUES (?, GETDATE())", [("console",), ("mp",), ("mp",)]
    )
    assert database.traffic("mp") == 2
    assert cursor.execute("UPDATE LabCounter SET value = value + 41 WHERE id = 1").rowcount == 1
    assert database.counter() == 41
    assert cursor.execute("DELETE FROM LabTraffic WHERE source = 'MP'").rowcount == 2
    assert database.traffic() == 1


@pytest.mark.parametrize("release", ["2005", "2008 R2", "2012", "2025"])
def test_releases_say_who_they_are_and_have_their_own_views(serve: Serve, dial: Ask, release: str) -> None:
    server = serve(release, tls=release != "2005")
    connection = dial(server, "trust" if release != "2005" else "no")
    version, edition = connection.execute(
        "SELECT CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128)), CAST(SERVERPROPERTY('Edition') AS nvarchar(128))"
    ).fetchone()
    assert (version, edition) == (server.instance.version, "Standard Edition (64-bit)")
    assert connection.execute("SELECT @@VERSION").fetchval().startswith(f"Microsoft SQL Server {release} ")
    newer = [
        "SELECT COUNT(*) FROM sys.change_tracking_databases",
        "SELECT is_honor_broker_priority_on FROM sys.databases",
    ]
    if release == "2005":
        for sql, number in zip(newer, ("(208)", "(207)"), strict=True):
            with pytest.raises(pyodbc.ProgrammingError) as caught:
                connection.execute(sql)
            assert number in str(caught.value)
    else:
        assert connection.execute(newer[0]).fetchval() == 1


@pytest.mark.parametrize(
    ("sql", "number"),
    [
        ("SELECT nothing FROM Sites", 207),
        ("SELECT s.nothing FROM Sites AS t", 4104),
        ("SELECT * FROM NoSuchTable", 208),
        ("USE NoSuchDatabase", 911),
        ("SELECT @x", 137),
        ("SELECT 'open", 105),
        ("SELECT LEN(1", 102),
        ("EXEC NoSuchProcedure", 2812),
        ("SELECT CAST('x' AS int)", 245),
        ("SELECT CAST(300 AS tinyint)", 8115),
        ("SELECT CAST('x' AS datetime)", 241),
        ("RAISERROR('mine', 16, 1)", 50000),
        ("COMMIT", 3902),
        ("SELECT SOUNDEX('x')", 50001),
        ("SELECT name FROM sys.databases FOR XML AUTO", 50001),
        ("BACKUP LOG CM_ABC TO DISK = N'x'", 50001),
        ("CREATE TABLE t (a int)", 50001),
        ("SELECT * FROM sys.dm_os_wait_stats", 208),
        ("SELECT 1 AS a INTO #t", 50001),
        ("SELECT CAST(1 AS xml)", 50001),
        ("SELECT CAST(SERVERPROPERTY('Nonsense') AS int)", 50001),
        ("SET NONSENSE ON", 50001),
        ("EXEC sp_who2", 50001),
    ],
)
def test_refusals_carry_the_servers_number(serve: Serve, dial: Ask, sql: str, number: int) -> None:
    connection = dial(serve())
    with pytest.raises(pyodbc.Error) as caught:
        connection.execute(sql).fetchall()
    assert f"({number})" in str(caught.value)
    assert connection.execute("SELECT 7").fetchval() == 7


def test_control_flow_variables_and_messages(serve: Serve, dial: Ask) -> None:
    cursor = dial(serve()).cursor()
    cursor.execute(
        """SET NOCOUNT ON
        DECLARE @n int, @text nvarchar(50) = N'at '
        SET @n = 0
        WHILE @n < 3 BEGIN SET @n = @n + 1 IF @n = 2 PRINT @text + CAST(@n AS nvarchar(10)) ELSE SELECT @n AS n END
        BEGIN TRY RAISERROR('lost', 16, 1) END TRY BEGIN CATCH SELECT 'caught' AS word END CATCH
        SELECT @n = COUNT(*) FROM Sites
        IF EXISTS (SELECT 1 FROM Sites WHERE SiteCode = 'abc') SELECT @n AS sites"""
    )
    rows, texts = [], []
    while True:
        texts += [text for _, text in cursor.messages or ()]
        if cursor.description:
            rows += [(cursor.description[0][0], row[0]) for row in cursor.fetchall()]
        if not cursor.nextset():
            break
    assert rows == [("n", 1), ("n", 3), ("word", "caught"), ("sites", 1)]
    assert [text.rpartition("]")[2] for text in texts] == ["at 2"]


def test_queries_of_some_shape(serve: Serve, dial: Ask) -> None:
    connection = dial(serve())
    rows = connection.execute(
        """WITH f AS (SELECT database_id, COUNT(*) AS files FROM sys.master_files GROUP BY database_id)
        SELECT TOP (2) d.name, f.files, ROW_NUMBER() OVER (ORDER BY d.name DESC) AS r,
               CASE WHEN d.name LIKE '[a-l]%' THEN 'low' ELSE 'high' END AS half,
               DATEDIFF(day, '20260101', DATEADD(month, 1, '2026-01-31')) AS days
        FROM master.sys.databases d INNER JOIN f ON f.database_id = d.database_id
        WHERE d.name NOT IN ('master', 'model') ORDER BY d.name DESC"""
    ).fetchall()
    assert [tuple(row) for row in rows] == [("tempdb", 2, 1, "high", 58), ("msdb", 2, 2, "high", 58)]
    union = connection.execute("SELECT 1 AS a UNION ALL SELECT 2 UNION SELECT 2 ORDER BY a DESC").fetchall()
    assert [row[0] for row in union] == [2, 1]
    assert connection.execute("SELECT SiteCode FROM CM_ABC.dbo.v_Site WHERE ReportingSiteCode = ''").fetchval() == "ABC"


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        ("name NOT LIKE 'm%'", "CM_ABC tempdb"),
        ("name LIKE 'M%' AND NOT name LIKE 'ma%'", "model msdb"),
        ("name NOT LIKE 'm!_%' ESCAPE '!' AND name LIKE '%!_%' ESCAPE '!'", "CM_ABC"),
        ("name NOT IN ('master', 'MODEL')", "CM_ABC msdb tempdb"),
        ("name NOT IN (SELECT name FROM sys.databases WHERE database_id < 4)", "CM_ABC msdb"),
        ("database_id NOT BETWEEN 2 AND 4", "CM_ABC master"),
        ("source_database_id IS NOT NULL", ""),
        ("source_database_id IS NULL AND NOT (database_id > 1)", "master"),
        (
            "NOT EXISTS (SELECT 1 FROM sys.master_files f WHERE f.database_id = d.database_id AND f.name LIKE '%[_]log')",
            "master model msdb tempdb",
        ),
        ("name >= 'MSDB' AND name < 'Z'", "msdb tempdb"),
        ("database_id = '5'", "CM_ABC"),
        ("create_date > '20100101'", "CM_ABC"),
        ("owner_sid = 0x01 AND is_trustworthy_on = 1", "CM_ABC msdb"),
        ("name = N'master' OR name = 'cm_abc' AND 1 = 2", "master"),
    ],
)
def test_conditions_mean_what_they_mean(serve: Serve, dial: Ask, condition: str, names: str) -> None:
    rows = dial(serve()).execute(f"SELECT name FROM sys.databases AS d WHERE {condition} ORDER BY name").fetchall()  # noqa: S608
    assert " ".join(row[0] for row in rows) == names


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT TOP 50 PERCENT name FROM sys.databases",
        "SELECT TOP 1 WITH TIES name FROM sys.databases ORDER BY name",
        "SELECT t.a FROM (SELECT 1) AS t (a)",
        "SELECT name FROM sys.databases CROSS APPLY (SELECT 1 AS a) AS x",
        "SELECT SUM(size) OVER (ORDER BY size ROWS 1 PRECEDING) FROM sys.master_files",
        "SELECT state, COUNT(*) FROM sys.databases GROUP BY ROLLUP (state)",
        "SELECT name FROM sys.databases TABLESAMPLE (10 PERCENT)",
        "SELECT * FROM sys.databases PIVOT (COUNT(name) FOR state IN ([0])) AS p",
        "UPDATE LabCounter SET value = 1 OUTPUT inserted.value",
        "UPDATE c SET value = 1 FROM LabCounter AS c",
        "MERGE LabCounter AS a USING LabCounter AS b ON 1 = 1 WHEN MATCHED THEN DELETE;",
        "SELECT STRING_AGG(name, ',') FROM sys.databases",
        "SELECT GROUPING(name) FROM sys.databases GROUP BY name",
        "SELECT name FROM sys.databases WHERE name COLLATE Latin1_General_BIN = 'MASTER'",
    ],
)
def test_what_would_be_answered_wrongly_is_refused(serve: Serve, dial: Ask, sql: str) -> None:
    with pytest.raises(pyodbc.Error, match=r"emulator: .* is not emulated"):
        dial(serve()).execute(sql).fetchall()


def test_text_keeps_its_length(serve: Serve, dial: Ask) -> None:
    connection = dial(serve())
    rows = connection.execute(
        "SELECT 'a' AS t UNION ALL SELECT 'longer' UNION ALL SELECT CAST('x' AS nvarchar(50)) ORDER BY t"
    )
    assert [row[0] for row in rows.fetchall()] == ["a", "longer", "x"]
    row = connection.execute(
        "SELECT REPLACE('a', 'A', 'bbbb'), REPLICATE('ab', 3), COALESCE(NULL, 'a', 'longer'), COALESCE('a', 'longer'), "
        "CASE WHEN 1 = 2 THEN 'a' ELSE 'longer' END, UPPER('abc') + 'defg', ISNULL(CAST(NULL AS nvarchar(9)), 'abc'), "
        "LEFT('abcdef', 2), RIGHT('abcdef', 2), SUBSTRING('abcdef', 2, 3), QUOTENAME('a]b'), "
        "CAST(12 AS nvarchar(5)) + N'x', CONVERT(varchar(10), CAST('2026-05-06' AS datetime), 120), LTRIM(RTRIM('  a  ')) + '|'"
    ).fetchone()
    assert tuple(row) == (
        *("bbbb", "ababab", "a", "a", "longer", "ABCdefg", "abc"),
        *("ab", "ef", "bcd", "[a]]b]", "12x", "2026-05-06", "a|"),
    )


def test_logins(serve: Serve, dial: Ask, driver: str) -> None:
    server = serve()
    assert dial(server).execute("SELECT SUSER_SNAME()").fetchval() == "sa"
    for fields, number in (
        ({"PWD": "wrong"}, 18456),
        ({"UID": "nobody"}, 18456),
        ({"UID": "off", "PWD": "x"}, 18470),
        ({"DATABASE": "CM_XYZ"}, 4060 if driver == "microsoft" else 18456),  # FreeTDS shows the other of the two errors
    ):
        with pytest.raises(pyodbc.Error) as caught:
            dial(server, **fields)
        assert f"({number})" in str(caught.value)
    server.faults.refuse_login()
    with pytest.raises(pyodbc.Error, match="18456"):
        dial(server)
    dial(server)


def test_a_login_without_rights_is_kept_out(serve: Serve, dial: Ask) -> None:
    server = serve(logins=(Login("guest", "g", roles=(), databases=("SUSDB",)),))
    with pytest.raises(pyodbc.Error, match=r"4060|18456"):
        dial(server, UID="guest", PWD="g")
    connection = dial(server, UID="guest", PWD="g", DATABASE="master")
    for sql in ("USE CM_ABC", "SELECT * FROM CM_ABC.dbo.Sites"):
        with pytest.raises(pyodbc.Error, match=r"\(916\)"):
            connection.execute(sql)
    asked = "SELECT IS_SRVROLEMEMBER('sysadmin'), HAS_DBACCESS('CM_ABC'), HAS_DBACCESS('master')"
    assert tuple(connection.execute(asked).fetchone()) == (0, 0, 1)


def test_settings_change(serve: Serve, dial: Ask) -> None:
    server = serve()
    connection = dial(server)
    connection.execute("ALTER DATABASE [CM_ABC] SET TRUSTWORTHY OFF")
    connection.execute("ALTER AUTHORIZATION ON DATABASE::[CM_ABC] TO [CONTOSO\\svc-backup]")
    connection.execute("EXEC sp_configure 'clr enabled', 0; RECONFIGURE")
    row = connection.execute(
        "SELECT is_trustworthy_on, SUSER_SNAME(owner_sid), (SELECT CAST(value_in_use AS int) FROM sys.configurations "
        "WHERE name = 'clr enabled') FROM sys.databases WHERE name = 'CM_ABC'"
    ).fetchone()
    assert tuple(row) == (False, "CONTOSO\\svc-backup", 0)
    assert server.instance.databases["CM_ABC"].options()["trustworthy"] == "0"


def test_the_audit_sees_every_request(serve: Serve, dial: Ask) -> None:
    seen: list[Any] = []
    connection = dial(serve(audit=seen.append))
    connection.execute("SELECT 1")
    connection.execute("SELECT ?", 2)
    assert [each.number for each in seen] == list(range(1, len(seen) + 1))
    assert {("SELECT 1", "batch", "sa", "CM_ABC")} <= {(s.text, s.kind, s.login, s.database) for s in seen}
    assert any(each.kind == "rpc" and each.text.startswith("sp_prepexec") for each in seen)


def cancel_when(reached: threading.Event, cursor: Any) -> threading.Thread:
    def cancel() -> None:
        reached.wait()
        cursor.cancel()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    return canceller


def test_a_waiting_statement_is_cancelled_from_another_thread(serve: Serve, dial: Ask) -> None:
    reached = threading.Event()
    connection = dial(serve(audit=lambda seen: reached.set() if "WAITFOR" in seen.text else None))
    cursor = connection.cursor()

    canceller = cancel_when(reached, cursor)
    with pytest.raises(pyodbc.Error, match="HY008"):
        cursor.execute("WAITFOR DELAY '00:01:00'")
    canceller.join()
    cursor.close()
    assert connection.execute("SELECT 1").fetchval() == 1


def test_a_computing_statement_is_cancelled_too(serve: Serve, dial: Ask) -> None:
    reached = threading.Event()
    connection = dial(serve(audit=lambda seen: reached.set() if "COUNT" in seen.text else None))
    cursor = connection.cursor()

    canceller = cancel_when(reached, cursor)
    many = ", ".join(f"sys.master_files AS f{number}" for number in range(9))
    with pytest.raises(pyodbc.Error, match="HY008"):
        cursor.execute(f"SELECT COUNT(*) FROM {many}")  # noqa: S608
    canceller.join()
    cursor.close()
    assert connection.execute("SELECT 1").fetchval() == 1


def test_a_change_that_waits_for_a_thaw_can_be_given_up(serve: Serve, dial: Ask) -> None:
    server = serve()
    connection = dial(server)
    connection.timeout = 1
    server.instance.freeze()
    with pytest.raises(pyodbc.Error, match="HYT00"):
        connection.execute("UPDATE LabCounter SET value = 3")
    server.instance.thaw()
    assert connection.execute("SELECT value FROM LabCounter").fetchval() == 0


def test_a_rollback_of_changes_is_refused_and_not_ignored(serve: Serve, dial: Ask) -> None:
    connection = dial(serve())
    connection.execute("BEGIN TRAN; SELECT 1; ROLLBACK")
    connection.execute("BEGIN TRAN; UPDATE LabCounter SET value = 1; COMMIT")
    for begin in ("BEGIN TRANSACTION", "SET IMPLICIT_TRANSACTIONS ON"):
        cursor = connection.cursor()
        with pytest.raises(pyodbc.Error, match="ROLLBACK of changes"):  # noqa: PT012
            cursor.execute(f"SET NOCOUNT ON; {begin}; UPDATE LabCounter SET value = 1; IF @@TRANCOUNT > 0 ROLLBACK")  # noqa: S608
            while cursor.nextset():
                pass
        connection.execute("COMMIT")


def test_many_clients_at_once_while_the_site_writes(serve: Serve, dial: Ask) -> None:
    server = serve()
    server.instance.create_database("SUSDB", data=r"E:\SUSDB.mdf", log=r"F:\SUSDB_log.ldf")
    database = server.instance.databases["CM_ABC"]
    stop = threading.Event()
    wrong: list[object] = []

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            database.set_counter(number)

    def ask(sql: str) -> None:
        try:
            connection = dial(server)
            for _ in range(10):
                connection.execute(sql).fetchall()
        except pyodbc.Error as error:
            wrong.append(error)

    both = "SELECT * FROM CM_ABC.dbo.LabCounter, sys.databases; SELECT DATABASEPROPERTYEX(N'SUSDB', 'Recovery') AS a WHERE 1 = 0"
    askers = [threading.Thread(target=ask, args=(both,)) for _ in range(8)]
    writer = threading.Thread(target=write)
    for thread in (writer, *askers):
        thread.start()
    for thread in askers:
        thread.join()
    stop.set()
    writer.join()
    assert wrong == []


def test_unread_rows_are_called_off(serve: Serve, dial: Ask) -> None:
    connection = dial(serve())
    for _ in range(3):
        cursor = connection.cursor()
        cursor.execute(
            "SELECT a.name FROM sys.configurations a, sys.configurations b, sys.configurations c, sys.master_files d"
        )
        cursor.fetchone()
        cursor.close()
    assert connection.execute("SELECT 1").fetchval() == 1


def test_a_timeout_ends_the_statement_and_not_the_connection(serve: Serve, dial: Ask) -> None:
    connection = dial(serve())
    connection.timeout = 1
    with pytest.raises(pyodbc.Error, match="HYT00"):
        connection.execute("WAITFOR DELAY '00:01:00'")
    assert connection.execute("SELECT 1").fetchval() == 1


@pytest.mark.parametrize("when", ["before", "during", "after"])
def test_dropped_connections(serve: Serve, dial: Ask, when: str) -> None:
    counted: list[int] = []
    server = serve(audit=lambda seen: counted.append(seen.number))
    connection = dial(server)
    connection.execute("SELECT 1")
    server.faults.drop(at=counted[-1] + 1, when=when)
    with pytest.raises(pyodbc.Error):
        connection.execute("UPDATE LabCounter SET value = 9; SELECT 1").fetchall()
    assert server.instance.databases["CM_ABC"].counter() == (0 if when == "before" else 9)
    assert dial(server).execute("SELECT 1").fetchval() == 1


def test_stopping_cuts_what_runs(serve: Serve, dial: Ask) -> None:
    reached = threading.Event()
    server = serve(audit=lambda seen: reached.set() if "WAITFOR" in seen.text else None)
    connection = dial(server)

    def stop() -> None:
        reached.wait()
        server.stop()

    stopper = threading.Thread(target=stop)
    stopper.start()
    with pytest.raises(pyodbc.Error):
        connection.execute("WAITFOR DELAY '00:01:00'")
    stopper.join()


@pytest.mark.parametrize("mode", ["off", "required", "not_supported"])
@pytest.mark.parametrize("client", ["trust", "no"])
def test_the_encryption_matrix(serve: Serve, dial: Ask, driver: str, mode: str, client: str) -> None:
    server = serve(encryption=mode)
    fails = (mode == "not_supported" and client == "trust") or (
        mode == "required" and client == "no" and driver == "freetds"
    )
    if fails:
        with pytest.raises(pyodbc.Error):
            dial(server, client)
    else:
        assert dial(server, client).execute("SELECT 1").fetchval() == 1


def test_a_frozen_database_reads_and_does_not_write(serve: Serve, dial: Ask) -> None:
    server = serve()
    connection = dial(server)
    server.instance.freeze()
    assert connection.execute("SELECT value FROM LabCounter").fetchval() == 0
    threading.Timer(0.05, server.instance.thaw).start()
    connection.execute("UPDATE LabCounter SET value = 3")
    assert not server.instance.databases["CM_ABC"].frozen
