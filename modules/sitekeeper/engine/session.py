"""What a module gets to work with, as Protocols: the engine does not know what is behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Event
from typing import Any, Protocol

from sitekeeper.engine.clock import Clock
from sitekeeper.engine.errors import ErrorRecord
from sitekeeper.engine.offline import OfflineWindow
from sitekeeper.engine.origin import Origin

Args = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One command with its arguments; never script text."""

    command: str
    args: Args = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """What one call of a batch wrote: objects as plain dicts, and its error records."""

    output: tuple[Any, ...]
    errors: tuple[ErrorRecord, ...]


class Session(Protocol):
    """Commands on one host over one connection. Owned by one thread; only ``cancel`` may come from another."""

    @property
    def deadline(self) -> tuple[float, str] | None:
        """The nearest deadline around the work that is being done: a moment (monotonic seconds), and what to say when it is over."""

    def call(self, command: str, /, **args: Any) -> list[Any]:
        """Run one reading command.

        Raises:
            RemoteError: it wrote an error record. UnreachableError: the host is gone. RemoteTimeoutError: deadline.

        """

    def read(self, calls: Sequence[Call]) -> list[Answer]:
        """Run several reading commands in one pipeline; errors stand in each answer and are not raised."""

    def change(self, command: str, /, *, deadline: float | None = None, **args: Any) -> list[Any]:
        """Run one changing command alone, behind the fence. Never sent twice.

        Raises:
            LimitError: the lease is lost; nothing was changed.
            UnreachableError: the connection was lost and it is not known whether the change was made.

        """

    def change_beside(self, home: Session, command: str, /, *, deadline: float | None = None, **args: Any) -> list[Any]:
        """Run one changing command on a host that has no lease, right after the fence of ``home`` has said yes there.

        Not in one step: whoever is held up in between changes this host late. What is sent must bear that.

        Raises:
            As ``change``, of either host.

        """

    def stream(self, command: str, /, **args: Any) -> Iterator[Any]:
        """Run one reading command and hand on its objects as they come, in bounded memory."""

    def cancel(self) -> None:
        """Stop what is running, from any thread."""

    def close(self) -> None:
        """End the session; the next command opens it again."""


class Lease(Protocol):
    """Who may change a host now."""

    @property
    def generation(self) -> int:
        """The number of this lease; it only grows, site by site."""

    def take(self, at_least: int = 0) -> int:
        """Take or renew it before a change; answers the generation, never below ``at_least``.

        Raises:
            LimitError: another run holds it.

        """

    def give_back(self) -> None:
        """Release it, at the very end."""


class Switch(Protocol):
    """A dead-man's switch on a host: it counts its own runs since it last heard from us."""

    def arm(self, services: tuple[str, ...], silence: timedelta, *, leak: bool) -> None:
        """Arm it, and wait until it was seen to run; an earlier arming of the same switch goes afterwards.

        Raises:
            RemoteError: it cannot be armed, or was not seen to run.

        """

    def disarm(self) -> None:
        """Take it away; twice does no harm."""

    def disarm_all(self) -> None:
        """Take away every switch of this run on the host, those of a process that died too."""


class Context(Protocol):
    """What a module works with on one host. One thread owns it, one task at a time uses it."""

    @property
    def host(self) -> str:
        """Name of the host in the inventory."""

    @property
    def vars(self) -> Mapping[str, Any]:
        """The host's variables in the inventory and ``-e``."""

    @property
    def ps(self) -> Session:
        """PowerShell on the host."""

    @property
    def lease(self) -> Lease:
        """The host's lease."""

    @property
    def clock(self) -> Clock:
        """Time."""

    @property
    def run_id(self) -> str:
        """The run's id: the mark on everything we make."""

    @property
    def check(self) -> bool:
        """Check mode: nothing will be applied."""

    @property
    def stop(self) -> Event:
        """Set when the operator stops the run."""

    rate: int | None
    """Bytes a second that the limits held now leave to the task; None: as fast as it can."""

    offline: OfflineWindow | None
    """The offline window of this play, which tasks and undos note; journaled with each undo."""

    def sql(self, server: str, database: str, instance: str | None = None) -> Any:
        """A session to a database (``sitekeeper.transport.sql.session.SqlSession``), opened on first use, closed with the play."""

    def switch(self) -> Switch:
        """A new dead-man's switch on the host."""

    def beats(self) -> Sequence[Callable[[], str]]:
        """How the hosts of this play hear from us, over sessions of the keeper's own; called by its thread alone.

        Each returns why its host must not be changed any more, empty while all is well.
        """

    def of(self, host: str) -> Context:
        """The context of a host of the inventory, with a session of its own; this one for its own host."""

    def progress(self, done: int, total: int | None, unit: str, text: str = "") -> None:
        """Tell how far a long task is."""

    def bound(self, until: float | None, why: str = "") -> None:
        """From now on every call fails, and says why, that is not over at this moment (monotonic seconds); None lifts it."""

    def needs(self, needs: Any) -> None:
        """Limit what may be sent to a module's declared ``Needs``; None lifts it."""

    def origin_of(self, variable: str) -> Origin | None:
        """Where a variable of the host stands in the inventory; if it is not set, where the host stands."""

    def site_code(self) -> str | None:
        """The host's site code, as the inventory writes it."""


@dataclass(frozen=True, slots=True)
class OpenContext:
    """A context and how to end it."""

    context: Context
    close: Callable[[], None]
    cancel: Callable[[], None]


class Connector(Protocol):
    """Makes contexts for hosts; connections are opened when first used."""

    def open(self, host: str, progress: Callable[[int, int | None, str, str], None]) -> OpenContext:
        """The context of a host of the inventory."""
