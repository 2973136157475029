"""The open shells of one host: found by id, owned by users, counted against quotas."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from . import fault, shell_xml
from .limits import Limits
from .shell import Shell


@dataclass(slots=True)
class Held:
    """A shell and its times (of the monotonic clock)."""

    shell: Shell
    made: float
    used: float

    def xml(self) -> str:
        """The shell as Get and Enumerate show it."""
        now = time.monotonic()
        facts = self.shell.facts
        idle = now - self.used
        state = "Connected" if self.shell.connected and idle < facts.idle_timeout else "Disconnected"
        return shell_xml.shell(facts, state, now - self.made, idle, used=True)


class Shells:
    """Thread-safe. Ids are compared in upper case."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._shells: dict[str, Held] = {}
        self._process_id = 1_000

    @property
    def ids(self) -> list[str]:
        """All open shells."""
        with self._lock:
            return list(self._shells)

    def of(self, user: str) -> list[Held]:
        """A user's shells."""
        with self._lock:
            return [each for each in self._shells.values() if each.shell.facts.owner == user]

    def look(self, shell_id: str, user: str) -> Held:
        """A user's shell, for those who only look: being seen is not being used.

        Raises:
            WsmanFault: there is none, or it is another user's.

        """
        with self._lock:
            held = self._shells.get(shell_id.upper())
        if held is None:
            raise fault.unknown_shell()
        if held.shell.facts.owner != user:
            raise fault.access_denied()
        return held

    def use(self, shell_id: str, user: str, *, connected: bool = True) -> Shell:
        """A user's shell, for an operation; ``connected`` if the operation needs it to be."""
        held = self.look(shell_id, user)
        if connected and not held.shell.connected:
            raise fault.disconnected()
        held.used = time.monotonic()
        return held.shell

    def new_process(self, user: str) -> int:
        """A process id for a new shell of this user, whose quota is not used up."""
        if len(self.of(user)) >= self._limits.shells_per_user:
            raise fault.too_many_shells(self._limits.shells_per_user)
        with self._lock:
            self._process_id += 4
            return self._process_id

    def add(self, shell: Shell) -> None:
        """A shell was opened."""
        now = time.monotonic()
        with self._lock:
            self._shells[shell.facts.shell_id] = Held(shell, now, now)

    def remove(self, shell: Shell) -> None:
        """A shell was deleted: close it."""
        with self._lock:
            self._shells.pop(shell.facts.shell_id, None)
        shell.close()

    def close(self) -> None:
        """Close all."""
        with self._lock:
            held = list(self._shells.values())
            self._shells.clear()
        for each in held:
            each.shell.close()
