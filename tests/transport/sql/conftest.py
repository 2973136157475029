"""The lab's SQL Server to connect to, and a target for each driver."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.certificates import issue
from tests.sql_servers import collect_servers

from sitekeeper.engine.secrets import inline
from sitekeeper.transport.sql.driver import SqlDriverMissing, list_drivers
from sitekeeper.transport.sql.session import SqlTarget
from sitekeeper_lab.sql.database import Instance, Login, create_site_database
from sitekeeper_lab.sql.server import TdsServer

PASSWORD = "Pa;ss{}1 =é"


@dataclasses.dataclass(frozen=True, slots=True)
class Pems:
    """A private authority, and the certificate that it gave the server."""

    authority: Path
    server: Path


@pytest.fixture(scope="session")
def pems(tmp_path_factory: pytest.TempPathFactory) -> Pems:
    folder = tmp_path_factory.mktemp("tls")
    authority = issue("Lab authority")
    found = Pems(folder / "authority.pem", folder / "server.pem")
    found.authority.write_bytes(authority.pem)
    issue("localhost", authority).write(found.server)
    return found


Serve = Callable[..., TdsServer]


@pytest.fixture
def serve(tmp_path: Path, pems: Pems) -> Iterator[Serve]:
    """Start servers with the site database CM_ABC and a Windows login."""

    def start(release: str = "2019", **options: Any) -> TdsServer:
        logins = (Login("sa", PASSWORD), Login("CONTOSO\\svc-backup", "N7lm!pass"), Login("CONTOSO\\SITE01$"))
        instance = Instance(tmp_path / f"m{len(running)}", host="SQL01", release=release, logins=logins)
        create_site_database(instance, "ABC", name="CM_ABC", generation="2007" if release == "2005" else "cb")
        server = TdsServer("127.0.0.1", 0, instance, **{"certificate": pems.server, **options})
        server.start()
        running.append(server)
        return server

    with collect_servers() as running:
        yield start


@pytest.fixture(params=["freetds", "microsoft"])
def driver(request: pytest.FixtureRequest) -> str:
    """Each driver by name; skipped where it is not installed."""
    try:
        found = [each.name for each in list_drivers() if each.kind == request.param]
    except SqlDriverMissing as error:
        pytest.skip(f"{error}: {error.hint}")
    if not found:
        pytest.skip(f"no {request.param} driver is installed")
    return found[0]


Target = Callable[..., SqlTarget]


@pytest.fixture
def target(driver: str) -> Target:
    """Make the target of a server, for this driver."""

    def make(server: TdsServer, **changes: Any) -> SqlTarget:
        fields = {"user": "sa", "password": PASSWORD, "database": "CM_ABC", "encrypt": "trust", "login_timeout": 10}
        given = {**fields, **changes}
        given["password"] = inline(given["password"], "test")
        return SqlTarget("127.0.0.1", server.port, driver=driver, **given)

    return make
