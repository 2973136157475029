"""What modules get: PowerShell, SQL and the lease of a host, opened on first use, closed with the play."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Event
from typing import Any

from sitekeeper.engine.clock import Clock
from sitekeeper.engine.errors import AuthError, InventoryError, LimitError, SitekeeperError, UsageError
from sitekeeper.engine.inventory.hosts import Inventory
from sitekeeper.engine.offline import OfflineWindow
from sitekeeper.engine.origin import Origin
from sitekeeper.engine.secrets import SECRET_VARIABLES, Secret, inline
from sitekeeper.engine.session import OpenContext
from sitekeeper.engine.templates import render
from sitekeeper.engine.templates.layers import Layers, lazy
from sitekeeper.transport.guard import GuardSilence, HostGuard, send_beat
from sitekeeper.transport.lease import HostLease
from sitekeeper.transport.psrp.connection import number_of, target_of
from sitekeeper.transport.psrp.session import PsrpSession
from sitekeeper.transport.sql.session import SqlSession, SqlTarget, connect

Progress = Callable[[int, int | None, str, str], None]
CERTIFICATE_FILES = (
    "ansible_psrp_ca_cert",
    "ansible_psrp_certificate_pem",
    "ansible_psrp_certificate_key_pem",
    "sql_ca_cert",
)
"""Variables that name a file of the control host."""


class HostContext:
    """One host's sessions in one play."""

    def __init__(self, host: str, connector: HostConnector, progress: Progress, family: dict[str, HostContext]) -> None:
        self.host = host
        self.vars: Mapping[str, Any] = connector.variables(host)
        self.clock = connector.clock
        self.run_id = connector.run_id
        self.check = connector.check
        self.stop = connector.stop
        self.offline: OfflineWindow | None = None
        self.rate: int | None = None
        self._connector = connector
        self._progress = progress
        self._family = family
        self._sql: dict[tuple[str, str, str | None], SqlSession] = {}
        refuse_missing_files(connector, host, self.vars)
        self.ps = PsrpSession(self._target(), self.clock)
        self._keeper: PsrpSession | None = None
        self._switches: list[HostGuard] = []
        self._silence = GuardSilence(host, self.clock)
        self.lease = HostLease(self.ps, self.clock, self.run_id, connector.owner)

    def of(self, host: str) -> HostContext:
        """Another host's context, with sessions of its own, in the same thread and play.

        Raises:
            InventoryError: the host is not in the inventory.

        """
        if host == self.host:
            return self
        if host not in self._connector.inventory.hosts:
            raise InventoryError(
                f"host {host} is not in the inventory",
                host=self.host,
                hint="`sitekeeper inventory graph` shows its hosts",
                origin=self._connector.inventory.origin_of(self.host),
            )
        if host not in self._family:
            self._family[host] = HostContext(host, self._connector, self._progress, self._family)
            self._family[host].ps.limit_as(self.ps)
        return self._family[host]

    def sql(self, server: str, database: str, instance: str | None = None) -> SqlSession:
        """A session to a database, from the variables ``sql_*`` of the host."""
        key = (server, database, instance)
        if key not in self._sql or self._sql[key].closed:
            holder = str(self.vars.get("database_host", self.host))
            try:
                self._sql[key] = connect(self._sql_target(holder, server, database, instance))
            except SitekeeperError as error:
                error.host = holder
                wrong = "sql_password" if isinstance(error, AuthError) else "sql_port"
                raise error.at(origin=self._connector.origin_of(holder, wrong)) from None
        return self._sql[key]

    def switch(self) -> HostGuard:
        """A new dead-man's switch on the host."""
        guard = HostGuard(self.ps, self.lease, self.clock, self.run_id)
        self._switches.append(guard)
        return guard

    def beats(self) -> Sequence[Callable[[], str]]:
        """One beat for every host of this play whose lease we hold, each over a session of the keeper's own."""
        return [one._beat for one in (self, *self._family.values()) if one.lease.generation]  # noqa: SLF001 - our own family

    def _beat(self) -> str:
        if self._keeper is None:
            self._keeper = PsrpSession(self._target(), self.clock)
        generation = self.lease.generation
        try:
            beat = send_beat(self._keeper, self.lease, self.run_id)
        except LimitError as error:
            # Our own thread may have taken a newer one while this beat was on its way: the next beat will tell.
            return "" if self.lease.changing or self.lease.generation != generation else error.message
        return self._silence.look(beat, {one.number for one in self._switches if one.number})

    def progress(self, done: int, total: int | None, unit: str, text: str = "") -> None:
        """Report the progress of a long task."""
        self._progress(done, total, unit, text)

    def origin_of(self, variable: str) -> Origin | None:
        """Where a variable of the host stands in the inventory; if it is not set, where the host stands."""
        return self._connector.origin_of(self.host, variable)

    def site_code(self) -> str | None:
        """The host's site code, from the inventory."""
        sites = self._connector.inventory.sites.values()
        return next((site.code for site in sites if site.host == self.host), None)

    def bound(self, until: float | None, what: str = "") -> None:
        """Limit every call on all sessions of this play by a moment; None removes the limit."""
        for one in (self, *self._family.values()):
            one.ps.bind(until, what)

    def needs(self, needs: Any) -> None:
        """Limit all sessions of this play to what a module declared."""
        for one in (self, *self._family.values()):
            one.ps.limit_to(needs)

    def close(self) -> None:
        """End all sessions."""
        for one in (self, *self._family.values()):
            for session in one._sql.values():  # noqa: SLF001 - our own family
                session.close()
            one.ps.close()
            if one._keeper is not None:  # noqa: SLF001 - our own family
                one._keeper.close()  # noqa: SLF001

    def cancel(self) -> None:
        """Stop what is running, from another thread."""
        for one in (self, *self._family.values()):
            one.ps.cancel()
            for session in list(one._sql.values()):  # noqa: SLF001 - our own family
                session.cancel()

    def _target(self) -> Any:
        connector = self._connector
        return target_of(self.host, self.vars, connector.inventory.origin_of(self.host), connector.origins(self.host))

    def _sql_target(self, holder: str, server: str, database: str, instance: str | None) -> SqlTarget:
        """Build it from the variables of the database's own host; what is not set there comes from the site server."""
        values = {**self.vars, **self._connector.variables(holder)}
        refuse_missing_files(self._connector, holder, values)
        windows = "sql_user" not in values
        ticket = windows and values.get("ansible_psrp_auth") == "kerberos"
        user = values.get("ansible_user" if windows else "sql_user")
        password = values.get("ansible_password" if windows else "sql_password")
        if password is not None and not isinstance(password, Secret):
            raise InventoryError("sql_password must be a text or a secret", host=holder)
        named = instance if instance and instance.upper() != "MSSQLSERVER" else None

        def number(name: str, default: int) -> int:
            return number_of(values, name, default, host=holder, origin=self._connector.origin_of(holder, name))

        return SqlTarget(
            server=str(values.get("sql_host", values.get("ansible_host", server))),
            port=None if named and "sql_port" not in values else number("sql_port", 1433),
            instance=named,
            database=database,
            user=None if user is None or ticket else reveal_text(user),
            password=None if ticket else password,
            kerberos=ticket,
            principal=values.get("sql_principal"),
            driver=values.get("sql_driver"),
            encrypt=str(values.get("sql_encrypt", "yes")),
            trust_ca=Path(values["sql_ca_cert"]) if values.get("sql_ca_cert") else None,
            tds_version=values.get("sql_tds_version"),
            login_timeout=number("sql_login_timeout", 15),
            idle_timeout=number("sql_idle_timeout", 120),
            host=holder,
        )


def refuse_missing_files(connector: HostConnector, host: str, values: Mapping[str, Any]) -> None:
    """Refuse a certificate file that does not exist, before anything connects.

    Raises:
        InventoryError: names the variable and the path.

    """
    for name in CERTIFICATE_FILES:
        path = values.get(name)
        if isinstance(path, str) and path and not Path(path).exists():
            raise InventoryError(
                f"{name} {path}: no such file",
                host=host,
                origin=connector.origin_of(host, name),
                hint="check the path; a relative path starts at the folder where sitekeeper was started",
            )


def reveal_text(value: Any) -> str:
    """Return a connection variable as text; it may be a Secret."""
    return value.reveal() if isinstance(value, Secret) else str(value)


def check_secret(secret: Secret) -> None:
    """Check that a secret can be read, and forget it.

    Raises:
        SecretError: it cannot be read.

    """
    secret.reveal()


class HostConnector:
    """Makes the contexts of a run."""

    def __init__(
        self,
        inventory: Inventory,
        clock: Clock,
        *,
        run_id: str,
        owner: str,
        check: bool,
        stop: Event,
        extra: Mapping[str, Any],
    ) -> None:
        self.inventory = inventory
        self.clock = clock
        self.run_id = run_id
        self.owner = owner
        self.check = check
        self.stop = stop
        self._extra = extra

    def origins(self, host: str) -> dict[str, Origin]:
        """Where each variable of a host was set; the command line has precedence."""
        return {**self.inventory.hosts[host].places, **{name: Origin(f"-e {name}") for name in self._extra}}

    def origin_of(self, host: str, name: str) -> Origin:
        """Where one variable of a host was set; if it was not, where the host is."""
        return self.origins(host).get(name, self.inventory.origin_of(host))

    def variables(self, host: str) -> dict[str, Any]:
        """A host's variables with rendered templates; one that cannot be rendered outside a run is omitted."""
        layers = Layers(lazy(self.inventory.vars_of(host)), lazy(self._extra))
        filled: dict[str, Any] = {}
        for name in layers:
            origin = self.origin_of(host, name)
            try:
                value = render.render(getattr(layers[name], "value", layers[name]), layers, origin)
            except UsageError:
                if name.startswith(("ansible_", "sql_", "database_", "site_")):
                    raise
                continue
            if name in SECRET_VARIABLES and value is not None and not isinstance(value, Secret):
                value = inline(str(value), str(origin))
            filled[name] = value
        return filled

    def open(self, host: str, progress: Progress) -> OpenContext:
        """The context of a host."""
        context = HostContext(host, self, progress, {})
        return OpenContext(context, context.close, context.cancel)
