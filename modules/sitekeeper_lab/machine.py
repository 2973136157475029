"""One host in service: its state on disk, its WinRM, and its SQL Server if it has one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Protocol

from sitekeeper_lab.audit import Audit
from sitekeeper_lab.build import build_host, sites_on
from sitekeeper_lab.certificates import Authority
from sitekeeper_lab.clock import LabClock, Timers
from sitekeeper_lab.engines.pwsh.engine import PwshEngine
from sitekeeper_lab.engines.python import PythonEngine
from sitekeeper_lab.failing import Failed
from sitekeeper_lab.hierarchy import Hierarchy
from sitekeeper_lab.host import Host
from sitekeeper_lab.sql.catalog import Catalog
from sitekeeper_lab.sql.database import Database, Instance, Login, create_site_database
from sitekeeper_lab.sql.server import TdsServer
from sitekeeper_lab.sql.session import RequestSeen as SqlRequestSeen
from sitekeeper_lab.windows.native.prompt import CommandPrompt
from sitekeeper_lab.windows.tasks import Tasks
from sitekeeper_lab.wsman.accounts import Account
from sitekeeper_lab.wsman.audit import RequestSeen
from sitekeeper_lab.wsman.server import Tls, WsmanServer
from sitekeeper_lab.wsman.wirefaults import Faults as WireFaults

_BULK = 256 * 1024


class Surroundings(Protocol):
    """What the hosts of one lab have in common."""

    @property
    def hierarchy(self) -> Hierarchy:
        """What the lab is made after."""

    @property
    def folder(self) -> Path:
        """Where its state lies."""

    @property
    def clock(self) -> LabClock:
        """Its clock."""

    @property
    def pwsh(self) -> Path | None:
        """The real PowerShell that is its engine; None: the lab's own."""

    @property
    def audit(self) -> Audit:
        """Its audit log."""

    @property
    def scheduler(self) -> Timers:
        """What lets things fall due."""

    @property
    def failed(self) -> Failed:
        """Told what a thread was not made for."""

    @property
    def authority(self) -> Authority:
        """What signs its certificates."""

    @property
    def administrators(self) -> frozenset[str]:
        r"""``domain\\user`` of those who may open a session, lower case."""

    @property
    def accounts(self) -> list[Account]:
        """Who may log on to WinRM."""

    @property
    def logins(self) -> tuple[Login, ...]:
        """Who may log in to SQL Server."""


class Machine:
    """One host in service: its state, its WinRM, and its SQL Server if it has one."""

    def __init__(self, lab: Surroundings, name: str) -> None:
        spec = lab.hierarchy.hosts[name]
        self.host: Host = build_host(
            lab.folder, name, lab.hierarchy, clock=lab.clock, audit=lab.audit, timers=lab.scheduler, failed=lab.failed
        )
        self.engine = PythonEngine(self.host, administrators=lab.administrators)
        self.powershell: PwshEngine | None = None
        """A real PowerShell, where the lab has one; it runs what clients send."""
        if lab.pwsh is not None:
            self.powershell = PwshEngine(self.engine, lab.pwsh, lab.folder / "powershell")
        self.tasks = Tasks(self.host)
        self.faults = WireFaults()
        certificate, key = lab.authority.server(name, lab.hierarchy.dns, spec.address)
        self.wsman = WsmanServer(
            self.powershell or self.engine,
            lab.accounts,
            address=spec.address,
            http_port=lab.hierarchy.ports.http,
            https_port=lab.hierarchy.ports.https,
            tls=Tls(certificate, key, lab.authority.ca),
            keytab=lab.hierarchy.keytab,
            prompt=CommandPrompt(self.host, lab.administrators),
            faults=self.faults,
            on_request=self._saw,
            monotonic=lab.clock.monotonic,
            failed=lab.failed,
        )
        self.host.on_reboot.append(self._rebooted)
        self.instance: Instance | None = None
        self.sql: TdsServer | None = None
        self.site_databases: dict[str, Database] = {}
        if spec.sql is not None:
            self.instance = Instance(
                self.host.folder,
                spec.sql.instance,
                host=name,
                release=spec.sql.version,
                edition=f"{spec.sql.edition} (64-bit)",
                logins=lab.logins,
                io_lock=self.host.io_lock,
                resolve=self.host.files.resolve,
                clock=self.host.now,
                bias=lambda: self.host.machine.os.bias,
            )
            for server, site in sites_on(lab.hierarchy, name):
                self.site_databases[site.code] = create_site_database(
                    self.instance,
                    site.code,
                    data_dir=site.data,
                    log_dir=site.log,
                    generation=str(site.generation),
                    server=server,
                    parent=site.parent or "",
                    version=site.full_version,
                    bulk_bytes=int(_BULK * site.size),
                )
            Catalog(self.host.folder / "sql-databases.json", self.instance, self.instance.databases)
            self._list_databases()
            self.instance.on_databases.append(self._list_databases)
            self.sql = TdsServer(
                spec.address,
                lab.hierarchy.ports.sql,
                self.instance,
                certificate=certificate,
                key=key,
                audit=self._sql_saw,
                keytab=lab.hierarchy.keytab,
                failed=lab.failed,
            )

    def start(self) -> None:
        """Listen, and let tasks fall due."""
        self.tasks.start()
        if self.powershell is not None:
            self.powershell.start()
        self.wsman.start()
        if self.sql is not None:
            self.sql.start()

    def install_endpoint(self, name: str, folder: Path) -> None:
        """What an administrator does with the files of a JEA endpoint. Needs a real PowerShell.

        Raises:
            RuntimeError: the lab has none.

        """
        if self.powershell is None:
            raise RuntimeError("an endpoint of its own needs a lab with a real PowerShell")
        self.powershell.register(name, folder)
        self.wsman.add_configuration(name)

    def stop(self) -> None:
        """Stop listening and close the databases."""
        self.tasks.stop()
        self.wsman.stop()
        if self.powershell is not None:
            self.powershell.stop()
        if self.sql is not None:
            self.sql.stop()

    def cut(self) -> None:
        """The lab has failed: nobody is served any more. Any thread may call it; ``stop`` comes later."""
        self.wsman.cut()
        if self.sql is not None:
            self.sql.cut()

    def close(self) -> None:
        """Take the databases offline."""
        if self.instance is not None:
            self.instance.close()

    def _list_databases(self) -> None:
        """The SQL writer freezes what there is now."""
        if self.instance is not None:
            self.host.databases = list(self.instance.databases.values())

    def _rebooted(self) -> None:
        self.wsman.reboot()
        if self.sql is not None:
            self.sql.disconnect_all()

    def _saw(self, seen: RequestSeen) -> None:
        self.host.asked_at = time.monotonic()
        self.host.audit.write(
            "request",
            self.host.name,
            number=seen.number,
            operation=seen.operation,
            status=seen.status,
            shell=seen.shell_id,
            command=seen.command_id,
            message=seen.message_id,
            user=seen.user,
            login=seen.login,
            replayed=seen.replayed,
        )

    def _sql_saw(self, seen: SqlRequestSeen) -> None:
        self.host.asked_at = time.monotonic()
        self.host.audit.write(
            "sql",
            self.host.name,
            number=seen.number,
            kind=seen.kind,
            text=seen.text,
            user=seen.login,
            database=seen.database,
        )
