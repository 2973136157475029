"""Certificates, encryption and kinds of login: what our session asks of each driver."""

from __future__ import annotations

import dataclasses
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from sitekeeper.engine.errors import AuthError, SitekeeperError, UnreachableError, UsageError
from sitekeeper.engine.secrets import inline
from sitekeeper.transport.sql.driver import FREETDS, MICROSOFT, Driver, find, list_drivers
from sitekeeper.transport.sql.network import BROWSER_PORT, find_port
from sitekeeper.transport.sql.session import SqlTarget, connect
from sitekeeper.transport.sql.target import connection_string
from sitekeeper_lab.sql.server import TdsServer

Serve = Callable[..., TdsServer]
Target = Callable[..., SqlTarget]


ADDRESS = f"127.81.7.{10 + os.getpid() % 200}"
"""The browser's port is fixed, so each process that runs tests has an address of its own."""


class Pems(Protocol):
    authority: Path
    server: Path


def test_a_private_authority_is_trusted_when_it_is_named(serve: Serve, target: Target, driver: str, pems: Pems) -> None:
    name = None if "tds" in driver.lower() else "localhost"  # Microsoft's driver finds no address in a certificate
    before = os.environ.get("SSL_CERT_FILE")
    with connect(target(serve(), encrypt="yes", trust_ca=pems.authority, certificate_name=name)) as session:
        assert os.environ.get("SSL_CERT_FILE") == before
        assert session.query("SELECT 1 AS a") == [{"a": 1}]


def test_an_unknown_authority_is_not(serve: Serve, target: Target) -> None:
    with pytest.raises(SitekeeperError) as caught:
        connect(target(serve(), encrypt="yes"))
    assert isinstance(caught.value, (AuthError, UnreachableError))
    assert "certificate" in f"{caught.value} {caught.value.hint}"


def test_a_server_that_cannot_encrypt_is_refused(serve: Serve, target: Target) -> None:
    server = serve(encryption="not_supported")
    with pytest.raises(SitekeeperError):
        connect(target(server, encrypt="trust"))
    with connect(target(server, encrypt="no")) as session:
        assert session.query("SELECT 1 AS a") == [{"a": 1}]


def test_strict_is_microsofts_alone(serve: Serve, target: Target, driver: str, pems: Pems) -> None:
    server = serve("2022", encryption="strict")
    wanted = target(server, encrypt="strict", trust_ca=pems.server)
    if "tds" in driver.lower():
        with pytest.raises(UsageError, match="FreeTDS does not support sql_encrypt: strict"):
            connect(wanted)
    else:
        with connect(wanted) as session:
            assert session.query("SELECT 1 AS a") == [{"a": 1}]


def test_a_windows_login_is_freetds_alone(serve: Serve, target: Target, driver: str) -> None:
    wanted = target(serve(), user="CONTOSO\\svc-backup", password="N7lm!pass")
    if "tds" in driver.lower():
        with connect(wanted) as session:
            assert session.query("SELECT ORIGINAL_LOGIN() AS me") == [{"me": "CONTOSO\\svc-backup"}]
    else:
        with pytest.raises(UsageError, match="cannot log in"):
            connect(wanted)


@pytest.mark.parametrize("version", ["7.1", "7.2", "7.3"])
def test_old_versions_are_freetds_alone(serve: Serve, target: Target, driver: str, version: str) -> None:
    wanted = target(serve("2008 R2"), tds_version=version)
    if "tds" in driver.lower():
        with connect(wanted) as session:
            assert session.query("SELECT N'é' AS a") == [{"a": "é"}]
    else:
        with pytest.raises(UsageError, match="with FreeTDS only"):
            connect(wanted)


def test_the_right_driver_is_taken_when_there_is_a_choice() -> None:
    kinds = {driver.kind for driver in list_drivers()}
    if kinds != {FREETDS, MICROSOFT}:
        pytest.skip("only one driver is installed")
    for fields, kind in (
        ({"user": "D\\u"}, FREETDS),
        ({"user": "u", "tds_version": "7.2"}, FREETDS),
        ({"user": "u", "encrypt": "strict"}, MICROSOFT),
    ):
        assert find(None, prefer=SqlTarget("h", **fields).prefers).kind == kind  # type: ignore[arg-type]  # fields of text


@pytest.mark.parametrize("field", ["server", "database", "user", "principal", "instance"])
def test_nothing_can_be_smuggled_into_a_connection_string(field: str) -> None:
    changed: Any = {field: "x;UID=sa"}
    with pytest.raises(UsageError, match=field):
        dataclasses.replace(SqlTarget("h"), **changed)


def test_a_password_that_freetds_cannot_take_is_refused_without_showing_it() -> None:
    with pytest.raises(UsageError) as caught:
        connection_string(
            SqlTarget("h", user="u", password=inline("se};cret", "test"), encrypt="no"), Driver("FreeTDS", FREETDS), 1
        )
    assert "cret" not in str(caught.value)


def _browser(answer: bytes | None) -> tuple[socket.socket, threading.Thread, list[bytes]]:
    asked: list[bytes] = []
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind((ADDRESS, BROWSER_PORT))

    def serve() -> None:
        request, address = listener.recvfrom(1024)
        asked.append(request)
        if answer is not None:
            listener.sendto(answer, address)

    thread = threading.Thread(target=serve)
    thread.start()
    return listener, thread, asked


def test_a_named_instance_is_looked_up() -> None:
    text = b"ServerName;SQL01;InstanceName;CM;IsClustered;No;Version;15.0.2000.5;tcp;51433;;"
    listener, thread, asked = _browser(b"\x05" + len(text).to_bytes(2, "little") + text)
    try:
        assert find_port(SqlTarget(ADDRESS, instance="CM", login_timeout=5)) == 51433
    finally:
        thread.join()
        listener.close()
    assert asked == [b"\x04CM\0"]


def test_a_browser_that_says_nothing_is_named() -> None:
    listener, thread, _ = _browser(None)
    try:
        with pytest.raises(UnreachableError, match="did not return the port of instance CM"):
            find_port(SqlTarget(ADDRESS, instance="CM", login_timeout=1))
    finally:
        thread.join()
        listener.close()


def test_the_default_instance_needs_no_browser() -> None:
    assert find_port(SqlTarget("h")) == find_port(SqlTarget("h", instance="MSSQLSERVER")) == 1433


@pytest.mark.parametrize("kind", [FREETDS, MICROSOFT])
def test_a_ticket_takes_the_place_of_user_and_password(kind: str) -> None:
    target = SqlTarget("sql1.corp.example", kerberos=True, encrypt="trust")
    text = connection_string(target, Driver("d", kind), 1433)
    assert "Trusted_Connection=yes;ServerSPN=MSSQLSvc/sql1.corp.example:1433;" in text
    assert "UID" not in text
    assert "PWD" not in text
    named = dataclasses.replace(target, principal="MSSQLSvc/other:SMS")
    assert "ServerSPN=MSSQLSvc/other:SMS;" in connection_string(named, Driver("d", kind), 1433)
