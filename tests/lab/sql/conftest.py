"""A served instance, and the two ODBC drivers to ask it with."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.certificates import issue
from tests.sql_servers import collect_servers

from sitekeeper_lab.sql.database import Instance, Login, create_site_database
from sitekeeper_lab.sql.server import TdsServer

PASSWORD = "Pa;ss{}1 =é"
WINDOWS = Login("CONTOSO\\svc-backup", "N7lm!pass")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for localhost and 127.0.0.1, with its key in the same file."""
    return issue("localhost").write(tmp_path_factory.mktemp("tls") / "server.pem")


Serve = Callable[..., TdsServer]


@pytest.fixture
def serve(tmp_path: Path, certificate: Path) -> Iterator[Serve]:
    """Start servers, each over an instance with the site database CM_ABC; afterwards no thread is left."""

    def start(
        release: str = "2019",
        *,
        tls: bool = True,
        name: str = "MSSQLSERVER",
        address: str = "127.0.0.1",
        **options: Any,
    ) -> TdsServer:
        logins = (Login("sa", PASSWORD), WINDOWS, Login("off", "x", disabled=True), Login("reader", "r", roles=()))
        instance = Instance(tmp_path / f"m{len(running)}", name, host="SQL01", release=release, logins=logins)
        create_site_database(instance, "ABC", generation="2007" if release == "2005" else "cb", name="CM_ABC")
        server = TdsServer(address, 0, instance, certificate=certificate if tls else None, **options)
        server.start()
        running.append(server)
        return server

    with collect_servers() as running:
        yield start


def microsoft() -> str | None:
    """The path of Microsoft's driver in its wheel."""
    spec = importlib.util.find_spec("mssql_python_odbc")
    roots = [Path(root) for root in (spec.submodule_search_locations or [])] if spec else []
    found = [path for root in roots for path in root.glob("libs/linux/debian_ubuntu/*/lib/libmsodbcsql-18*")]
    return str(found[0]) if found else None


Ask = Callable[..., Any]


@pytest.fixture(params=["freetds", "microsoft"])
def driver(request: pytest.FixtureRequest) -> str:
    """Each driver by its kind; skipped by name where it is not installed."""
    pyodbc = pytest.importorskip("pyodbc", exc_type=ImportError)
    pyodbc.pooling = False
    if request.param == "microsoft" and microsoft() is None:
        pytest.skip("mssql-python-odbc is not installed")
    if request.param == "freetds" and "FreeTDS" not in pyodbc.drivers():
        pytest.skip("FreeTDS is not registered with unixODBC")
    return str(request.param)


@pytest.fixture
def dial(driver: str) -> Iterator[Ask]:
    """Open raw pyodbc connections, not by our own transport."""
    import pyodbc  # noqa: PLC0415  # where it is missing, `driver` has skipped

    opened: list[Any] = []

    def connect(server: TdsServer, encrypt: str = "trust", **fields: str) -> Any:
        named = {"UID": "sa", "PWD": PASSWORD, "DATABASE": "CM_ABC", **fields}
        if driver == "microsoft":
            named["PWD"] = "{" + named["PWD"].replace("}", "}}") + "}"
            named |= {"DRIVER": str(microsoft()), "SERVER": f"127.0.0.1,{server.port}"}
            named |= {"Encrypt": {"trust": "yes"}.get(encrypt, encrypt), "TrustServerCertificate": "yes"}
        else:
            named["PWD"] = "{" + named["PWD"] + "}"
            named |= {"DRIVER": "FreeTDS", "SERVER": "127.0.0.1", "PORT": str(server.port)}
            named |= {"Encryption": {"trust": "require", "no": "off"}[encrypt], "ClientCharset": "UTF-8"}
            named = {"TDS_Version": "7.4", **named}
        text = "".join(f"{key}={value};" for key, value in named.items())
        connection = pyodbc.connect(text, autocommit=True, timeout=10)
        opened.append(connection)
        return connection

    yield connect
    for connection in opened:
        connection.close()
