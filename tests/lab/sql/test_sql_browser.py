"""The lab's SQL Server Browser, asked by the drivers themselves."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator

import pytest

from sitekeeper_lab.sql.browser import SqlBrowser
from sitekeeper_lab.sql.server import TdsServer

Serve = Callable[..., TdsServer]
ADDRESS = f"127.81.6.{10 + os.getpid() % 200}"
"""The port is fixed, so each process that runs tests has an address of its own."""


@pytest.fixture
def browser() -> Iterator[SqlBrowser]:
    running = SqlBrowser(ADDRESS, "SQL01")
    running.start()
    yield running
    running.stop()
    running.stop()


def test_a_driver_finds_a_named_instance(serve: Serve, browser: SqlBrowser) -> None:
    pyodbc = pytest.importorskip("pyodbc", exc_type=ImportError)
    if "FreeTDS" not in pyodbc.drivers():
        pytest.skip("FreeTDS is not registered with unixODBC")
    server = serve(name="CM", address=ADDRESS)
    browser.add("CM", server.instance.version, server.port)
    text = f"DRIVER=FreeTDS;SERVER={ADDRESS}\\CM;UID=reader;PWD=r;TDS_Version=7.4;"
    connection = pyodbc.connect(text, autocommit=True, timeout=10)
    assert connection.execute("SELECT @@SERVERNAME").fetchval() == "SQL01\\CM"
    connection.close()


def test_it_lists_all_and_is_silent_about_others(browser: SqlBrowser) -> None:
    browser.add("A", "9.0.1399.6", 50001)
    browser.add("B", "15.0.2000.5", 50002)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(5)
        for noise in (b"", b"\x09", b"\x04C\0"):  # nothing of these is answered
            asking.sendto(noise, (ADDRESS, browser.port))
        asking.sendto(b"\x03", (ADDRESS, browser.port))
        answer = asking.recv(4096)
    assert answer[0] == 5
    assert int.from_bytes(answer[1:3], "little") == len(answer) - 3
    assert answer.count(b"InstanceName;A;") == answer.count(b"tcp;50002;;") == 1
