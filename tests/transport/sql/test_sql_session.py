"""Our SQL session against the lab's server, with both drivers."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable

import pytest

from sitekeeper.engine.errors import AuthError, SitekeeperError, SqlError, UnreachableError, UsageError
from sitekeeper.transport.sql.session import SqlCancelled, SqlIdleTimeout, SqlSession, SqlTarget, connect
from sitekeeper_lab.sql.server import TdsServer

Serve = Callable[..., TdsServer]
Target = Callable[..., SqlTarget]


def test_a_query_answers_rows_by_name(serve: Serve, target: Target) -> None:
    with connect(target(serve())) as session:
        rows = session.query("SELECT SiteCode, SiteType AS type, 1 + 1 FROM Sites WHERE SiteCode = ?", "ABC")
        assert rows == [{"SiteCode": "ABC", "type": 2, "column3": 2}]
        assert session.query("SELECT SiteCode FROM Sites WHERE SiteCode = ?", "XXX") == []
        assert session.spid > 50


def test_two_columns_of_one_name_are_refused(serve: Serve, target: Target) -> None:
    with connect(target(serve())) as session, pytest.raises(UsageError, match="two columns with the same name: a, a"):
        session.query("SELECT 1 AS a, 2 AS a")


def test_an_execution_collects_messages_and_every_result(serve: Serve, target: Target) -> None:
    with connect(target(serve())) as session:
        outcome = session.execute(
            "PRINT 'begin'; SELECT 1 AS a; RAISERROR('half', 10, 1) WITH NOWAIT; SELECT 2 AS b; SELECT 3 AS b; PRINT 'end'"
        )
        assert outcome.rowsets == (({"a": 1},), ({"b": 2},), ({"b": 3},))
        assert [message.text for message in outcome.messages] == ["begin", "half", "end"]
        assert outcome.has(50000)
        assert not outcome.has(3014)


def test_changes_are_made(serve: Serve, target: Target) -> None:
    server = serve()
    with connect(target(server)) as session:
        session.execute("UPDATE LabCounter SET value = ? WHERE id = 1", 17)
    assert server.instance.databases["CM_ABC"].counter() == 17


def test_an_error_of_a_later_result_is_raised(serve: Serve, target: Target) -> None:
    with connect(target(serve())) as session:
        with pytest.raises(SqlError, match="lost") as caught:
            session.query("SELECT name FROM sys.databases; SELECT 2; RAISERROR('lost', 16, 1)")
        assert caught.value.number == 50000
        assert caught.value.host == "127.0.0.1"
        assert session.query("SELECT 1 AS a") == [{"a": 1}]


def test_a_statement_without_a_result_is_no_query(serve: Serve, target: Target) -> None:
    with connect(target(serve())) as session, pytest.raises(SqlError, match="no result set"):
        session.query("UPDATE LabCounter SET value = 1")


def test_the_servers_number_is_kept(serve: Serve, target: Target) -> None:
    with connect(target(serve())) as session:
        for sql, number in (("SELECT x FROM Sites", 207), ("SELECT * FROM nope", 208), ("EXEC nope", 2812)):
            with pytest.raises(SqlError) as caught:
                session.query(sql)
            assert caught.value.number == number
            assert "[" not in str(caught.value)


@pytest.mark.parametrize("password", ["wrong-secret", "se;cr{et}", ""])
def test_a_refused_login_says_so_and_shows_no_password(serve: Serve, target: Target, password: str) -> None:
    with pytest.raises(AuthError, match="refused the login of sa") as caught:
        connect(target(serve(), password=password))
    shown = "".join(traceback.format_exception(caught.value)) + repr(target(serve(), password=password))
    assert not password or password not in shown
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    "password", ["plain", "a;b", "{braced}", "x}", "}", "a}}b", "{", " lead", "trail ", "=;=", "\"'", "ü€"]
)
def test_any_password_gets_through(serve: Serve, target: Target, password: str) -> None:
    from sitekeeper_lab.sql.database import Login  # noqa: PLC0415

    with connect(target(serve(logins=(Login("me", password),)), user="me", password=password)) as session:
        assert session.query("SELECT SUSER_SNAME() AS me") == [{"me": "me"}]


def test_a_missing_database_is_named_or_at_least_hinted_at(serve: Serve, target: Target) -> None:
    with pytest.raises(SitekeeperError) as caught:
        connect(target(serve(), database="CM_XYZ"))
    assert "CM_XYZ" in str(caught.value) or "database exists" in str(caught.value.hint)


def test_nobody_there_is_told_apart(serve: Serve, target: Target) -> None:
    server = serve()
    closed = target(server)
    server.stop()
    with pytest.raises(UnreachableError, match="nothing listens on port"):
        connect(closed)


def test_an_unknown_host_is_told_apart(driver: str) -> None:
    with pytest.raises(UnreachableError, match=r"no-such-host\.invalid: the name does not resolve on this machine"):
        connect(SqlTarget("no-such-host.invalid", 1433, driver=driver))


def test_a_slow_login_is_told_apart(serve: Serve, target: Target) -> None:
    server = serve()
    server.faults.slow_login(30)
    with pytest.raises(UnreachableError, match="accepted the connection, but the login did not finish in time"):
        connect(target(server, login_timeout=1))


@pytest.mark.parametrize("when", ["before", "during", "after"])
def test_a_lost_connection_is_never_a_success(serve: Serve, target: Target, when: str) -> None:
    seen: list[int] = []
    server = serve(audit=lambda request: seen.append(request.number))
    with connect(target(server)) as session:
        server.faults.drop(at=seen[-1] + 1, when=when)
        with pytest.raises(UnreachableError):
            session.execute("PRINT 'a'; UPDATE LabCounter SET value = 4; PRINT 'b'")


def _cancelled_by(session: SqlSession, reached: threading.Event) -> threading.Thread:
    def cancel() -> None:
        reached.wait()
        while (
            session.cancel()
        ):  # again and again: the first may come between two calls of the driver, and none may linger
            pass

    thread = threading.Thread(target=cancel)
    thread.start()
    return thread


def test_another_thread_cancels(serve: Serve, target: Target, driver: str) -> None:
    reached = threading.Event()
    server = serve(audit=lambda request: reached.set() if "WAITFOR" in request.text else None)
    with connect(target(server)) as session:
        assert session.cancel() is False
        thread = _cancelled_by(session, reached)
        with pytest.raises(SqlCancelled):
            session.execute("WAITFOR DELAY '00:01:00'")
        thread.join()
        if session.closed:  # FreeTDS: its next answer could be another statement's
            assert "tds" in driver.lower()
        else:
            assert session.query("SELECT 1 AS a") == [{"a": 1}]


def test_a_silent_server_is_given_up(serve: Serve, target: Target) -> None:
    with connect(target(serve(), idle_timeout=1)) as session:
        with pytest.raises(SqlIdleTimeout, match="sent nothing for 1 s"):
            session.execute("WAITFOR DELAY '00:01:00'")
        assert session.query("SELECT 1 AS a") == [{"a": 1}]


def test_a_server_that_speaks_now_and_then_is_not(serve: Serve, target: Target) -> None:
    with connect(target(serve(), idle_timeout=1)) as session:
        talk = "WAITFOR DELAY '00:00:00.4' RAISERROR('still here', 0, 1) WITH NOWAIT "
        assert len(session.execute(talk * 4).messages) == 4


def test_a_closed_session_says_so(serve: Serve, target: Target) -> None:
    session = connect(target(serve()))
    session.close()
    session.close()
    with pytest.raises(UsageError, match="closed"):
        session.query("SELECT 1 AS a")


def test_the_servers_connection_ends_with_the_session(serve: Serve, target: Target) -> None:
    server = serve()
    with connect(target(server)):
        assert server.connections == 1
    server.disconnect_all()
    assert server.connections == 0
