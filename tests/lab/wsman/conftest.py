"""A host with a small engine, and pypsrp as its client."""

from __future__ import annotations

import datetime as dt
import ipaddress
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.wsman import WSMan

from sitekeeper_lab.engines.api import Command, ErrorRecord, Pipeline, Sink
from sitekeeper_lab.wsman import Account, CommandSeen, Faults, RequestSeen, Tls, WsmanServer

USER, PASSWORD = "LAB\\keeper", "Pa55 wörd!"
MODERN = {
    "PSVersion": "5.1.14393.2248",
    "PSEdition": "Desktop",
    "PSCompatibleVersions": "1.0, 2.0, 3.0, 4.0, 5.0, 5.1.14393.2248",
    "CLRVersion": "4.0.30319.42000",
    "BuildVersion": "10.0.14393.2248",
    "WSManStackVersion": "3.0",
    "PSRemotingProtocolVersion": "2.3",
    "SerializationVersion": "1.1.0.1",
}
OLD = {
    "WSManStackVersion": "2.0",
    "PSCompatibleVersions": "1.0, 2.0",
    "SerializationVersion": "1.1.0.1",
    "BuildVersion": "6.1.7601.17514",
    "PSVersion": "2.0",
    "CLRVersion": "2.0.50727.5420",
    "PSRemotingProtocolVersion": "2.1",
}

Cmdlet = Callable[["Call"], None]


class Call:
    """One command of the small engine, as a cmdlet sees it."""

    def __init__(self, command: Command, pipeline: Pipeline, sink: Sink) -> None:
        self.command = command
        self.pipeline = pipeline
        self.sink = sink
        self.named = {key: value for key, value in command.parameters if key}
        self.positional = [value for key, value in command.parameters if not key]


class SmallEngine:
    """Runs the functions that a test registers, by the name of the cmdlet."""

    def __init__(self, versions: Mapping[str, str] = MODERN) -> None:
        self.versions = versions
        self.cmdlets: dict[str, Cmdlet] = {}
        self.users: list[str] = []
        self.closed = threading.Semaphore(0)

    def open(self, user: str, configuration: str) -> SmallRunspace:
        self.users.append(user)
        return SmallRunspace(self)


class SmallRunspace:
    def __init__(self, engine: SmallEngine) -> None:
        self._engine = engine

    def run(self, pipeline: Pipeline, sink: Sink) -> None:
        for statement in pipeline.statements:
            for command in statement:
                cmdlet = self._engine.cmdlets.get(command.text)
                if cmdlet is None:
                    raise ErrorRecord(
                        f"The term '{command.text}' is not recognized as the name of a cmdlet.",
                        "CommandNotFoundException",
                        category=13,
                        exception_type="System.Management.Automation.CommandNotFoundException",
                        target=command.text,
                    )
                cmdlet(Call(command, pipeline, sink))

    def close(self) -> None:
        self._engine.closed.release()


class Host:
    """A running server and what it was asked."""

    def __init__(self, engine: SmallEngine, faults: Faults, **settings: Any) -> None:
        self.engine = engine
        self.faults = faults
        self.requests: list[RequestSeen] = []
        self.commands: list[CommandSeen] = []
        settings.setdefault("http_port", 0)
        settings.setdefault("accounts", [Account("LAB", "keeper", PASSWORD)])
        self.server = WsmanServer(
            engine, faults=faults, on_request=self.requests.append, on_command=self.commands.append, **settings
        )

    def client(self, *, ssl: bool = False, **settings: Any) -> WSMan:
        settings.setdefault("auth", "ntlm")
        settings.setdefault("username", USER)
        settings.setdefault("password", PASSWORD)
        port = self.server.https_port if ssl else self.server.http_port
        return WSMan(self.server.address, port=port, ssl=ssl, cert_validation=False, no_proxy=True, **settings)

    def operations(self) -> list[str]:
        return [each.operation for each in self.requests]


MakeHost = Callable[..., Host]


@pytest.fixture
def make_host() -> Iterator[MakeHost]:
    hosts: list[Host] = []

    def make(versions: Mapping[str, str] = MODERN, **settings: Any) -> Host:
        host = Host(SmallEngine(versions), Faults(), **settings)
        host.server.start()
        hosts.append(host)
        return host

    before = set(threading.enumerate())
    yield make
    for host in hosts:
        host.server.stop()
    assert set(threading.enumerate()) <= before


@pytest.fixture
def host(make_host: MakeHost) -> Host:
    return make_host()


def invoke(pool: RunspacePool, *commands: tuple[str, dict[str, Any]], input: Any = None) -> PowerShell:  # noqa: A002  pypsrp's word
    """Run commands as statements of one pipeline and close it."""
    with PowerShell(pool) as ps:
        for name, parameters in commands:
            ps.add_cmdlet(name).add_parameters(parameters).add_statement()
        ps.invoke(input=input)
    return ps


@pytest.fixture(scope="session")
def invoker() -> Callable[..., PowerShell]:
    return invoke


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """A certificate that signs itself; it is the client's too, and its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "lab")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    certificate_file, key_file = folder / "certificate.pem", folder / "key.pem"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return Tls(certificate_file, key_file, client_ca=certificate_file)


@pytest.fixture(scope="session")
def old_versions() -> Mapping[str, str]:
    return OLD
