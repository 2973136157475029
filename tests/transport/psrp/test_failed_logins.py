"""A login that fails leaves no connection behind for Python's garbage collector."""

from __future__ import annotations

import gc
import socket
import warnings

import pytest
from tests.winrm_targets import MODERN

from sitekeeper.engine.clock import SystemClock
from sitekeeper.engine.errors import AuthError
from sitekeeper.engine.secrets import Secret
from sitekeeper.transport.psrp.connection import PsrpTarget
from sitekeeper.transport.psrp.shell import Shell
from sitekeeper_lab.wsman.accounts import Account
from sitekeeper_lab.wsman.server import WsmanServer

from .conftest import Engine


@pytest.mark.parametrize(
    ("user", "password"), [(None, None), ("LAB\\keeper", "wrong")], ids=["no user", "wrong password"]
)
def test_its_connection_is_closed(user: str | None, password: str | None) -> None:
    with WsmanServer(Engine(MODERN), accounts=[Account("LAB", "keeper", "Pa55")], http_port=0) as server:
        target = PsrpTarget(
            host="PR1",
            server=server.address,
            port=int(server.http_port or 0),
            ssl=False,
            auth="negotiate",
            user=user,
            password=Secret("test", lambda: str(password)) if password else None,
        )
        gc.collect()
        gc.disable()
        try:
            with pytest.raises(AuthError):
                Shell(target, SystemClock())
            with warnings.catch_warnings(record=True) as heard:
                warnings.simplefilter("always")
                gc.collect()
        finally:
            gc.enable()
    assert [str(one.message) for one in heard if isinstance(one.source, socket.socket)] == []
