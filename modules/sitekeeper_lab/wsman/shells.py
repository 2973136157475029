"""The open shells of one host: found by id, owned by users, counted against quotas.

One that nobody used for its idle time-out is deleted (MS-WSMV 2.2.4.42), be its client dead or only silent.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from . import fault, shell_xml
from .forwarded import PowerShell
from .limits import Limits
from .winrs import CommandShell

_SHOWN_CONNECTED = 60.0
"""Seconds of silence after which a shell shows as Disconnected, as measured on real hosts; it can still be used."""

AnyShell = PowerShell | CommandShell


@dataclass(slots=True)
class Held:
    """A shell and its times (of the monotonic clock)."""

    shell: AnyShell
    made: float
    used: float
    waiting: int = 0
    """Requests that wait for something of it now."""

    def xml(self, now: float) -> str:
        """The shell as Get and Enumerate show it."""
        idle = now - self.used
        state = "Connected" if self.shell.connected and idle < _SHOWN_CONNECTED else "Disconnected"
        return shell_xml.shell(self.shell.facts, state, now - self.made, idle, used=True)


class Shells:
    """Thread-safe. Ids are compared in upper case."""

    def __init__(self, limits: Limits, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self.monotonic = monotonic
        self._lock = threading.Lock()
        self._shells: dict[str, Held] = {}
        self._process_id = 1_000

    @property
    def ids(self) -> list[str]:
        """All open shells."""
        self._expire()
        with self._lock:
            return list(self._shells)

    def of(self, user: str) -> list[Held]:
        """A user's shells."""
        self._expire()
        with self._lock:
            return [each for each in self._shells.values() if each.shell.facts.owner == user]

    def look(self, shell_id: str, user: str) -> Held:
        """A user's shell, for those who only look: being seen is not being used.

        Raises:
            WsmanFault: there is none, or it is another user's.

        """
        self._expire()
        with self._lock:
            held = self._shells.get(shell_id.upper())
        if held is None:
            raise fault.unknown_shell()
        if held.shell.facts.owner != user:
            raise fault.access_denied()
        return held

    def use(self, shell_id: str, user: str, *, connected: bool = True) -> AnyShell:
        """A user's shell, for an operation; ``connected`` if the operation needs it to be."""
        held = self.look(shell_id, user)
        if connected and not held.shell.connected:
            raise fault.disconnected()
        held.used = self.monotonic()
        return held.shell

    @contextmanager
    def waited_for(self, shell: AnyShell) -> Iterator[None]:
        """A request waits for something of this shell: so long it is not idle."""
        with self._lock:
            held = self._shells.get(shell.facts.shell_id)
        if held is None:
            yield
            return
        held.waiting += 1
        try:
            yield
        finally:
            held.waiting -= 1
            held.used = self.monotonic()

    def new_process(self, user: str) -> int:
        """A process id for a new shell of this user, whose quota is not used up."""
        if len(self.of(user)) >= self._limits.shells_per_user:
            raise fault.too_many_shells(self._limits.shells_per_user)
        with self._lock:
            self._process_id += 4
            return self._process_id

    def add(self, shell: AnyShell) -> None:
        """A shell was opened."""
        now = self.monotonic()
        with self._lock:
            self._shells[shell.facts.shell_id] = Held(shell, now, now)

    def remove(self, shell: AnyShell) -> None:
        """A shell was deleted: close it."""
        with self._lock:
            self._shells.pop(shell.facts.shell_id, None)
        shell.close()

    def _expire(self) -> None:
        now = self.monotonic()
        with self._lock:
            idle = [
                held.shell
                for held in self._shells.values()
                if not held.waiting and now - held.used > held.shell.facts.idle_timeout
            ]
        for shell in idle:
            self.remove(shell)

    def close(self) -> None:
        """Close all."""
        with self._lock:
            held = list(self._shells.values())
            self._shells.clear()
        for each in held:
            each.shell.close()
