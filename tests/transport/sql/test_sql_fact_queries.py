"""The facts' queries against the lab's releases, with both drivers."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable

import pytest

from sitekeeper.engine.errors import SqlError, UsageError
from sitekeeper.sql.server import queries
from sitekeeper.transport.sql.session import SqlSession, SqlTarget, connect
from sitekeeper_lab.sql.database import BackupRecord
from sitekeeper_lab.sql.server import TdsServer
from sitekeeper_lab.sql.site_schema import status_message

Serve = Callable[..., TdsServer]
Target = Callable[..., SqlTarget]


def _parameters(sql: str) -> tuple[str, ...]:
    return ("CM_ABC",) * sql.count("?")


def _ask(session: SqlSession, sql: str) -> list[dict[str, object]]:
    return session.query(sql, *_parameters(sql))


@pytest.mark.parametrize("release", ["2005", "2008 R2", "2012", "2019", "2025"])
def test_every_query_runs_where_it_says(serve: Serve, target: Target, release: str) -> None:
    server = serve(release)
    with connect(target(server)) as session:
        answers = {name: _ask(session, sql) for name, sql in queries.STATEMENTS.items()}
        assert {name for name, rows in answers.items() if not rows} == {"last_backups"}
        for sql in queries.SINCE_2008.values():
            if release == "2005":
                with pytest.raises(SqlError):
                    _ask(session, sql)
            else:
                assert len(_ask(session, sql)) == 1


@pytest.mark.parametrize("release", ["2005", "2012", "2025"])
@pytest.mark.parametrize("name", ["site1", "SITE1.lab.example"])
def test_a_site_servers_own_messages_are_told_from_others(
    serve: Serve, target: Target, release: str, name: str
) -> None:
    server = serve(release)
    own = queries.own_messages("ABC", "SITE1")
    with server.instance.databases["CM_ABC"].change("INSERT") as data:
        data.execute("DELETE FROM StatusMessages")
        for day, site, machine, module in (
            (1, "DEF", name, "SMS Server"),
            (2, "ABC", "SITE12.lab.example", "SMS Server"),
            (3, "ABC", name, "SMS Server"),
            (4, "ABC", name, "SMS Server"),
            (5, "ABC", name, "SMS Client"),
        ):
            status_message(data, f"2026-01-0{day} 10:00:00.000", 500, site, machine, module)
    with connect(target(server)) as session:

        def moment(sql: str, *more: str) -> str:
            (row,) = session.query(sql, *own, *more)
            return str(next(iter(row.values())))[:10]

        assert moment(queries.first_message("CM_ABC")) == "2026-01-03"
        assert moment(queries.last_message("CM_ABC")) == "2026-01-04"
        until = queries.last_message_until("CM_ABC")
        assert moment(until, "2026-01-04T09:59:59") == "2026-01-03"
        assert moment(until, "2026-01-04T10:00:00") == "2026-01-04"
        assert moment(until, "2026-01-03T09:00:00") == "None"
        assert session.query(queries.messages("CM_ABC")) == [{"number": 5}]


def test_what_the_server_and_the_database_say(serve: Serve, target: Target) -> None:
    server = serve("2019")
    database = server.instance.databases["CM_ABC"]
    with connect(target(server)) as session:
        said = _ask(session, queries.SERVER)[0]
        assert said == {
            "version": "15.0.2000.5",
            "level": "RTM",
            "edition": "Standard Edition (64-bit)",
            "engine_edition": 2,
            "server": "SQL01",
            "instance": None,
            "machine": "SQL01",
            "collation": "SQL_Latin1_General_CP1_CI_AS",
        }
        found = _ask(session, queries.DATABASE)[0]
        assert found["owner"] == "sa"
        assert found["owner_sid"] == b"\1"
        assert (found["trustworthy"], found["broker_enabled"], found["compatibility_level"]) == (True, True, 150)
        assert str(found["broker_guid"]).lower() == database.options()["broker_guid"]
        assert _ask(session, queries.BROKER_PRIORITY) == [{"honor_broker_priority": True}]
        assert _ask(session, queries.CHANGE_TRACKING) == [
            {"retention_period": 5, "retention_units": "DAYS", "auto_cleanup": True}
        ]
        assert {row["name"]: row["value"] for row in _ask(session, queries.CONFIGURATION)} == {
            "clr enabled": 1,
            "max text repl size (B)": 2147483647,
        }


def test_files_logins_and_neighbours(serve: Serve, target: Target) -> None:
    server = serve()
    database = server.instance.databases["CM_ABC"]
    server.instance.create_database("SUSDB", data=r"E:\SUSDB.mdf", log=r"F:\SUSDB_log.ldf")
    with connect(target(server)) as session:
        files = _ask(session, queries.FILES)
        assert [(row["type"], row["path"]) for row in files] == [
            ("ROWS", database.mdf.physical),
            ("LOG", database.log.physical),
        ]
        size = files[0]["size_bytes"]
        assert isinstance(size, int)
        assert 0 <= size - database.mdf.size < 8192
        others = {
            row["database_name"]: row["path"] for row in _ask(session, queries.OTHER_FILES) if row["type"] == "ROWS"
        }
        assert set(others) == {"master", "model", "msdb", "tempdb", "SUSDB"}
        assert others["SUSDB"] == r"E:\SUSDB.mdf"
        logins = {row["name"]: (row["type"], row["sysadmin"], row["disabled"]) for row in _ask(session, queries.LOGINS)}
        assert logins["CONTOSO\\SITE01$"] == ("WINDOWS_LOGIN", 1, False)
        assert logins["sa"] == ("SQL_LOGIN", 1, False)


def test_the_last_backups_are_the_newest_of_each_kind(serve: Serve, target: Target) -> None:
    server = serve()
    at = dt.datetime(2026, 3, 1, 22, 0).astimezone()
    full = BackupRecord("CM_ABC", at, at + dt.timedelta(minutes=5))
    server.instance.backups += [
        full,
        dataclasses.replace(full, finished=at + dt.timedelta(days=1)),
        dataclasses.replace(full, copy_only=True, snapshot=True),
        dataclasses.replace(full, database="SUSDB", finished=at + dt.timedelta(days=9)),
    ]
    with connect(target(server)) as session:
        rows = _ask(session, queries.LAST_BACKUPS)
    assert [(row["type"], row["copy_only"], row["finished"]) for row in rows] == [
        ("D", False, dt.datetime(2026, 3, 2, 22, 0)),  # noqa: DTZ001  # msdb has local times
        ("D", True, dt.datetime(2026, 3, 1, 22, 5)),  # noqa: DTZ001
    ]


def test_rows_are_counted_table_by_table(serve: Serve, target: Target) -> None:
    server = serve()
    server.instance.databases["CM_ABC"].insert_traffic("console")
    with connect(target(server, database="master")) as session:
        rows = session.query(queries.row_counts(["LabTraffic", "Sites", "LabBulk"], database="CM_ABC"))
    assert {row["table_name"]: row["row_count"] for row in rows} == {"LabTraffic": 1, "Sites": 1, "LabBulk": 0}


def test_names_are_quoted() -> None:
    assert queries.quote_name("a]b") == "[a]]b]"
    assert "FROM [dbo].[x]]; DROP TABLE y--]" in queries.row_counts(["x]; DROP TABLE y--"])
    assert "N'o''clock' AS" in queries.row_counts(["o'clock"])
    for name in ("", "x" * 129):
        with pytest.raises(UsageError):
            queries.quote_name(name)
    with pytest.raises(UsageError):
        queries.row_counts([])
