"""A host with a small engine, and pypsrp as its client."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.wsman import WSMan
from tests.certificates import issue
from tests.winrm_targets import MODERN, OLD

from sitekeeper_lab.engines.api import Command, ErrorRecord, Pipeline, Sink
from sitekeeper_lab.wsman import Account, CommandSeen, Faults, RequestSeen, Tls, WsmanServer

USER, PASSWORD = "LAB\\keeper", "Pa55 wörd!"

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
    issued = issue("lab")
    folder = tmp_path_factory.mktemp("tls")
    certificate_file, key_file = folder / "certificate.pem", folder / "key.pem"
    certificate_file.write_bytes(issued.pem)
    key_file.write_bytes(issued.key_pem)
    return Tls(certificate_file, key_file, client_ca=certificate_file)


@pytest.fixture(scope="session")
def old_versions() -> Mapping[str, str]:
    return OLD
