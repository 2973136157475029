"""The lab as one thing: hosts on disk, their WinRM and SQL Server on loopback, living sites, and a control address."""

from __future__ import annotations

import contextlib
import json
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from sitekeeper_lab.audit import Audit, read_audit
from sitekeeper_lab.certificates import Authority
from sitekeeper_lab.clock import LabClock, Scheduler
from sitekeeper_lab.configmgr import serials
from sitekeeper_lab.configmgr.backup_task import BackupTask
from sitekeeper_lab.configmgr.life import SiteLife
from sitekeeper_lab.configmgr.recovery import SiteServer
from sitekeeper_lab.control import Control
from sitekeeper_lab.failing import Failure, LabFailedError
from sitekeeper_lab.faults import AT_ONCE, WIRE
from sitekeeper_lab.hierarchy import Hierarchy, load_hierarchy
from sitekeeper_lab.host import Host
from sitekeeper_lab.machine import Machine
from sitekeeper_lab.mishaps import happen
from sitekeeper_lab.opsmgr.monitoring import watch
from sitekeeper_lab.pulse import Pulse
from sitekeeper_lab.sql.database import Login
from sitekeeper_lab.windows.services import ServiceControl
from sitekeeper_lab.wsman.accounts import Account

FAILED = "failed.json"
"""In the lab's folder, where it has failed: what ended it."""


class Lab:
    """A simulated hierarchy. ``with Lab(hierarchy, folder) as lab:`` serves it until the block ends.

    Args:
        hierarchy: a hierarchy file, or what was read from one.
        folder: where its state lies; an earlier lab's state is taken up again.
        pwsh: a real PowerShell (7.4 or newer) that is to run what clients send, in place of the lab's own engine.

    """

    def __init__(self, hierarchy: Path | Hierarchy, folder: Path, *, pwsh: Path | None = None) -> None:
        self.pwsh = pwsh
        self.hierarchy = hierarchy if isinstance(hierarchy, Hierarchy) else load_hierarchy(hierarchy)
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.failure: Failure | None = None
        """What ended the lab, where something has."""
        self._failing = threading.Lock()
        self.clock = LabClock()
        self.audit = Audit(folder / "audit.jsonl", self.clock)
        self.scheduler = Scheduler(self.clock, self.failed)
        self.authority = Authority(folder / "certificates")
        self.stop_requested = threading.Event()
        self.administrators = frozenset(
            f"{account.domain}\\{account.user}".lower() for account in self.hierarchy.accounts if account.administrator
        )
        self.accounts = self._accounts()
        self.logins = self._logins()
        self.pulse = Pulse(self.failed)
        self.machines: dict[str, Machine] = {}
        self.lives: list[SiteLife] = []
        self.backups: list[BackupTask] = []
        with contextlib.ExitStack() as stack:
            stack.callback(self.audit.close)
            for name in self.hierarchy.hosts:
                self.machines[name] = Machine(self, name)
                stack.callback(self.machines[name].close)
            for machine in self.machines.values():
                if machine.host.management is not None:
                    watch(machine.host.management, [one.host for one in self.machines.values() if one is not machine])
            for name, spec in self.hierarchy.hosts.items():
                if spec.site is not None:
                    holder = self.machines[spec.site.database_host or name]
                    database = holder.site_databases[spec.site.code]
                    self.lives.append(SiteLife(self.machines[name].host, database, self.pulse))
                    self.backups.append(BackupTask(self.machines[name].host, database))
            stack.pop_all()  # all stands: stop() closes it
        self.site_servers = {name: SiteServer(self, name) for name, spec in self.hierarchy.hosts.items() if spec.site}
        """The site servers, for those who wreck, install and recover them."""
        self.control = Control(self)
        self._running = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def start(self) -> None:
        """Serve everything; returns when all listens. A failure of an earlier run of this lab is forgotten.

        Raises:
            OSError: an address or port is taken; nothing is left running.

        """
        (self.folder / FAILED).unlink(missing_ok=True)
        with contextlib.ExitStack() as stack:
            stack.callback(self.audit.close)
            for machine in self.machines.values():
                stack.callback(machine.close)
            self.scheduler.start()
            stack.callback(self.scheduler.stop)
            for life in self.lives:
                life.start()
                stack.callback(life.stop)
            for task in self.backups:
                task.start()
                stack.callback(task.stop)
            for machine in self.machines.values():
                machine.start()
                stack.callback(machine.stop)
            self.control.start()
            stack.callback(self.control.stop)
            self._write_addresses()
            self._running = stack.pop_all()

    def stop(self) -> None:
        """Stop everything; no thread is left.

        Raises:
            LabFailedError: a thread of the lab had ended with an exception.

        """
        self._running.close()
        self._refuse_failed()

    def failed(self, error: BaseException) -> None:
        """A thread met what it was not made for: the lab is over. Says so on stderr, and nobody is served any more."""
        failure = Failure(threading.current_thread().name, error)
        failure.tell()
        with self._failing:
            if self.failure is not None:
                return
            self.failure = failure
        with contextlib.suppress(OSError):  # the folder may be what is gone
            (self.folder / FAILED).write_text(json.dumps({"failed": str(failure)}), "utf-8")
        self.stop_requested.set()
        for machine in self.machines.values():
            machine.cut()

    def _refuse_failed(self) -> None:
        if self.failure is not None:
            raise LabFailedError(str(self.failure)) from self.failure.error

    def host(self, name: str) -> Host:
        """A host by its name."""
        return self.machines[name].host

    @property
    def ca(self) -> Path:
        """The authority that signed the hosts' certificates."""
        return self.folder / "ca.pem"

    # What the control address steers.

    def fault(self, host: str, name: str, **arguments: Any) -> None:
        """Ask for a fault on a host: the names of ``faults.KNOWN``, ``faults.AT_ONCE`` and ``faults.WIRE``."""
        machine = self.machines[host]
        self.audit.write("fault", host, name=name, arguments=arguments)
        if name in WIRE and name.startswith("sql_"):
            if machine.sql is None:
                raise ValueError(f"{host} has no SQL Server")
            _wire_fault(machine.sql.faults, name.removeprefix("sql_"), arguments)
        elif name in WIRE:
            _wire_fault(machine.faults, name, arguments)
        elif name in AT_ONCE:
            happen(machine, name, arguments)
        elif name == "reboot" and not arguments.get("later"):
            ServiceControl(machine.host).reboot()
        else:
            arguments.pop("later", None)
            machine.host.faults.add(name, **arguments)

    def operate(self, host: str, deed: str, **arguments: Any) -> None:
        """What somebody does on a site server: ``wreck``, ``install``, ``allow_setup``, ``repair`` (the wizard), ``reset``.

        Raises:
            Refused: Microsoft's program would not do it.

        """
        deeds = {"wreck", "install", "allow_setup", "repair", "reset"}
        if deed not in deeds:
            raise ValueError(f"nobody does {deed!r} to a site server; known: {', '.join(sorted(deeds))}")
        self.audit.write("deed", host, name=deed, arguments=arguments)
        getattr(self.site_servers[host], deed)(**arguments)

    def exchange(self) -> list[str]:
        """Every site sends to its parent and its children once; answers what was rejected."""
        members = [server.member() for server in self.site_servers.values()]
        return serials.exchange([one for one in members if one is not None])

    def clear_faults(self) -> None:
        """Forget all faults that have not happened yet."""
        for machine in self.machines.values():
            machine.host.faults.clear()
            machine.faults.clear()
            if machine.sql is not None:
                machine.sql.faults.clear()

    def advance(self, seconds: float) -> None:
        """Move the lab's clock forward.

        Raises:
            LabFailedError: what fell due broke the lab.

        """
        self.clock.advance(seconds)
        self._refuse_failed()

    def state(self) -> dict[str, Any]:
        """Hosts with addresses, services and shadow copies."""
        hosts: dict[str, Any] = {}
        for name, machine in self.machines.items():
            with machine.host.lock:
                hosts[name] = {
                    "address": machine.wsman.address,
                    "http_port": machine.wsman.http_port,
                    "https_port": machine.wsman.https_port,
                    "sql_port": machine.sql.port if machine.sql else None,
                    "services": {s.name: s.state for s in machine.host.machine.services.values()},
                    "shadow_copies": [copy.id for copy in machine.host.machine.shadows],
                    "faults": [fault.name for fault in machine.host.faults.all()],
                }
        return {"now": self.clock.now().isoformat(), "hosts": hosts}

    def audit_lines(self, after: int) -> list[dict[str, Any]]:
        """The audit log after a line."""
        return read_audit(self.folder / "audit.jsonl", after)

    def request_stop(self) -> None:
        """Ask ``serve`` to end."""
        self.stop_requested.set()

    def inventory(self) -> dict[str, Any]:
        """The client's inventory of this lab, with the addresses and ports that were really taken."""
        account = next(account for account in self.hierarchy.accounts if account.administrator)
        hosts: dict[str, Any] = {}
        for name, spec in self.hierarchy.hosts.items():
            machine = self.machines[name]
            facts: dict[str, Any] = {"ansible_host": spec.address, "ansible_port": machine.wsman.http_port}
            if machine.sql is not None:
                facts["sql_port"] = machine.sql.port
            facts |= {"sql_work_dir": spec.sql_work_dir} if spec.sql_work_dir else {}
            facts |= {"scratch": True} if spec.scratch else {}
            facts |= (
                {"recovery": self._recovery(name)} if spec.site is not None and spec.site.generation != 2007 else {}
            )
            if spec.site is not None:
                facts |= {"site_code": spec.site.code, "site_type": spec.site.kind}
                facts |= {"parent": spec.site.parent} if spec.site.parent else {}
                facts |= {"database_host": spec.site.database_host} if spec.site.database_host else {}
            hosts[name] = facts
        variables: dict[str, Any] = {
            "ansible_user": f"{account.domain}\\{account.user}",
            "ansible_password": account.password,
            "ansible_psrp_protocol": "http",
            "ansible_psrp_auth": "negotiate",
        }
        if self.hierarchy.sql_logins:
            login = self.hierarchy.sql_logins[0]
            variables |= {
                "sql_user": login.user,
                "sql_password": login.password,
                "sql_ca_cert": str(self.ca.absolute()),
            }
        specs = self.hierarchy.hosts
        management = {name: specs[name].opsmgr for name in hosts if specs[name].opsmgr is not None}
        how = next(({"management_server": name, "kind": kind} for name, kind in management.items()), "none")
        groups: dict[str, dict[str, Any]] = {"sites": {}, "databases": {}, "management": {}, "scratch": {}}
        for name, facts in hosts.items():
            group = "scratch" if "scratch" in facts else "management" if name in management else "databases"
            groups["sites" if "site_code" in facts else group][name] = facts
        children: dict[str, Any] = {name: {"hosts": members} for name, members in groups.items() if members}
        children.setdefault("sites", {"hosts": {}})["vars"] = {"maintenance": how}
        return {"all": {"vars": variables, "children": children}}

    def _recovery(self, name: str) -> dict[str, Any]:
        site = self.hierarchy.hosts[name].site
        holder = site.database_host if site is not None and site.database_host else name
        return {"provider": f"{name}.{self.hierarchy.dns}", "sql_server": f"{holder}.{self.hierarchy.dns}"}

    def _accounts(self) -> list[Account]:
        made = []
        for account in self.hierarchy.accounts:
            certificate, _ = self.authority.client(account.user, self.hierarchy.dns)
            made.append(
                Account(
                    account.domain,
                    account.user,
                    account.password,
                    dns_domain=self.hierarchy.dns,
                    thumbprint=self.authority.thumbprint(certificate),
                )
            )
        return made

    def _logins(self) -> tuple[Login, ...]:
        logins = [Login("sa"), *(Login(login.user, login.password) for login in self.hierarchy.sql_logins)]
        logins += [
            Login(
                f"{account.domain}\\{account.user}",
                account.password,
                roles=("sysadmin",) if account.administrator else (),
            )
            for account in self.hierarchy.accounts
        ]
        logins += [
            Login(f"{self.hierarchy.domain}\\{name}$") for name, spec in self.hierarchy.hosts.items() if spec.site
        ]
        return tuple(logins)

    def _write_addresses(self) -> None:
        self.ca.write_bytes(self.authority.ca.read_bytes())
        (self.folder / "control.json").write_text(json.dumps({"url": self.control.url}), "utf-8")
        text = yaml.safe_dump(self.inventory(), sort_keys=False, allow_unicode=True)
        (self.folder / "hosts.yml").write_text(text, "utf-8")


def _wire_fault(faults: Any, name: str, arguments: dict[str, Any]) -> None:
    match name:
        case "drop_connection":
            faults.drop(**arguments)
        case "refuse_login":
            faults.refuse_login(**({"times": 1} | arguments))
        case "statement":
            faults.statement(**arguments)
        case "black_hole":
            faults.fall_silent()
        case _:
            faults.slow_login(float(arguments["seconds"]))


HEEDED_SECONDS = 0.5
"""A signal that comes just as the main thread falls asleep is handled when it wakes again."""


def serve(
    hierarchy: Path, folder: Path, ready: Callable[[Lab], None] | None = None, *, pwsh: Path | None = None
) -> None:
    """Serve a lab until SIGTERM, SIGINT, ``POST /stop`` or a failure. Call it in the main thread of a process of its own.

    ``ready`` is called once all listens; addresses stand in ``<folder>/hosts.yml`` and ``<folder>/control.json`` then.

    Raises:
        LabFailedError: a thread of the lab ended with an exception. OSError: an address or port is taken.

    """
    lab = Lab(hierarchy, folder, pwsh=pwsh)
    signals: list[int] = []  # not the event: the main thread may hold its lock when the signal comes
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _frame: signals.append(number))
    with lab:
        if ready is not None:
            ready(lab)
        while not signals and not lab.stop_requested.wait(HEEDED_SECONDS):
            pass
