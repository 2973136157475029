"""The lab's SQL Server to connect to, and a target for each driver."""

from __future__ import annotations

import dataclasses
import datetime as dt
import ipaddress
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

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


def _issue(name: str, key: Any, issuer: tuple[x509.Name, Any] | None) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    by, signing = issuer or (subject, key)
    now = dt.datetime.now(dt.UTC)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if issuer is not None:
        builder = builder.add_extension(names, critical=False)
    return builder.sign(signing, hashes.SHA256())


@pytest.fixture(scope="session")
def pems(tmp_path_factory: pytest.TempPathFactory) -> Pems:
    folder = tmp_path_factory.mktemp("tls")
    authority_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = _issue("Lab authority", authority_key, None)
    server = _issue("localhost", server_key, (authority.subject, authority_key))
    pem = serialization.Encoding.PEM
    private = server_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    found = Pems(folder / "authority.pem", folder / "server.pem")
    found.authority.write_bytes(authority.public_bytes(pem))
    found.server.write_bytes(private + server.public_bytes(pem))
    return found


Serve = Callable[..., TdsServer]


@pytest.fixture
def serve(tmp_path: Path, pems: Pems) -> Iterator[Serve]:
    """Start servers with the site database CM_ABC and a Windows login."""
    before = threading.active_count()
    running: list[TdsServer] = []

    def start(release: str = "2019", **options: Any) -> TdsServer:
        logins = (Login("sa", PASSWORD), Login("CONTOSO\\svc-backup", "N7lm!pass"), Login("CONTOSO\\SITE01$"))
        instance = Instance(tmp_path / f"m{len(running)}", host="SQL01", release=release, logins=logins)
        create_site_database(instance, "ABC", name="CM_ABC", generation="2007" if release == "2005" else "cb")
        server = TdsServer("127.0.0.1", 0, instance, **{"certificate": pems.server, **options})
        server.start()
        running.append(server)
        return server

    yield start
    for server in running:
        server.stop()
        server.instance.close()
    assert threading.active_count() == before


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
