"""An endpoint of its own: with our functions built in, with those of another version, or without any."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sitekeeper.engine.clock import SystemClock
from sitekeeper.engine.errors import UsageError
from sitekeeper.transport.psrp import functions
from sitekeeper.transport.psrp.session import PsrpSession
from sitekeeper_lab.engines.api import ErrorRecord, PsObject

from .conftest import Host


@pytest.fixture(name="session")
def session_to_other_endpoint(host: Host) -> Any:
    host.server.add_configuration("Other")
    host.on("Read-SkLease", "free")
    session = PsrpSession(replace(host.session.target, configuration="Other"), SystemClock())
    yield session
    session.close()


def role(made_of: str) -> PsObject:
    return PsObject(("System.Object",), {}, {"Role": "Sitekeeper.SiteServer", "Functions": made_of})


def test_nothing_is_loaded_where_our_functions_are_built_in(host: Host, session: PsrpSession) -> None:
    host.on("Get-SkRole", role(functions.fingerprint()))
    assert session.call("Read-SkLease", Drive="C") == ["free"]
    assert host.engine.loaded == 0


def test_functions_of_another_version_are_refused(host: Host, session: PsrpSession) -> None:
    host.on("Get-SkRole", role("of another"))
    with pytest.raises(UsageError, match="built by another version of sitekeeper"):
        session.call("Read-SkLease", Drive="C")
    assert "Read-SkLease" not in host.engine.ran


def test_an_endpoint_without_them_gets_them(
    host: Host, session: PsrpSession, error: Callable[..., ErrorRecord]
) -> None:
    host.on("Get-SkRole", error("CommandNotFoundException", ends=True))
    assert session.call("Read-SkLease", Drive="C") == ["free"]
    assert host.engine.loaded == len(functions.sources())
