"""Shells of a process that was killed may be all that an account is allowed; the host deletes them when they were idle."""

from __future__ import annotations

import threading

import pytest
from pypsrp.powershell import RunspacePool
from tests.winrm_targets import MODERN, target_of

from sitekeeper.engine.clock import SystemClock
from sitekeeper.engine.errors import RemoteError
from sitekeeper.transport.psrp import shell
from sitekeeper.transport.psrp.connection import wsman_of
from sitekeeper.transport.psrp.shell import Shell
from sitekeeper_lab.wsman.accounts import Account
from sitekeeper_lab.wsman.limits import Limits
from sitekeeper_lab.wsman.server import WsmanServer

from .conftest import Engine


def full(server: WsmanServer) -> RunspacePool:
    pool = RunspacePool(wsman_of(target_of(server)))
    pool.open()
    return pool


def test_they_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "QUOTA_PAUSE", 0.1)
    accounts = [Account("LAB", "keeper", "Pa55")]
    with WsmanServer(Engine(MODERN), accounts=accounts, http_port=0, limits=Limits(shells_per_user=1)) as server:
        dead = full(server)
        later = threading.Timer(0.5, dead.close)
        later.start()
        Shell(target_of(server), SystemClock()).close()
        later.join()


def test_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "QUOTA_PAUSE", 0.1)
    monkeypatch.setattr(shell, "QUOTA_SECONDS", 0.5)
    accounts = [Account("LAB", "keeper", "Pa55")]
    with WsmanServer(Engine(MODERN), accounts=accounts, http_port=0, limits=Limits(shells_per_user=1)) as server:
        other = full(server)
        with pytest.raises(RemoteError, match=r"a quota of WinRM is used up for LAB\\keeper"):
            Shell(target_of(server), SystemClock())
        other.close()
