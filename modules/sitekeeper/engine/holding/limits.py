"""Named shared limits: how many at once, and how fast; within a run and across all runs of this control host.

A limit of ``count`` is that many files of which each holder locks one. The kernel frees them with the process that dies,
so a limit is never left taken by nobody. Machines are limits of 1 by themselves, named by their MachineGuid: whatever
names reach a machine, two backups never work on it at once.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from sitekeeper.engine.clock import Clock
from sitekeeper.engine.errors import LimitError, RunInterruptedError, UsageError
from sitekeeper.engine.journal.journal import private_folder
from sitekeeper.engine.types import parse_size

WAIT_SECONDS = 6 * 3600.0
"""How long a task waits for its limits before it gives up."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}\Z")


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit: how many may hold it, and how many bytes a second they have together."""

    name: str
    count: int = 1
    rate: int | None = None
    shared: bool = False
    """Held together with any number of others who share it, and with nobody who does not."""

    @property
    def share(self) -> int | None:
        """Bytes a second for one holder: together they never exceed the rate."""
        return None if self.rate is None else max(1, self.rate // self.count)


def read_limits(given: Any) -> dict[str, Limit]:
    """The variable ``limits``: name -> {count, rate}.

    Raises:
        UsageError: it is not of that form.

    """
    if not isinstance(given, Mapping):
        raise UsageError("`limits` must be a mapping of names to {count, rate}")
    found: dict[str, Limit] = {}
    for name, value in given.items():
        about = {"count": value} if isinstance(value, int) else value
        if not isinstance(about, Mapping) or set(about) - {"count", "rate"}:
            raise UsageError(f"limit `{name}` must be written as {{count: 2, rate: 40MB}}")
        count = about.get("count", 1)
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise UsageError(f"count of limit `{name}` must be an integer of 1 or more")
        try:
            rate = None if about.get("rate") is None else parse_size(about["rate"])
        except ValueError as error:
            raise UsageError(f"rate of limit `{name}`: {error}") from None
        found[str(name)] = Limit(str(name), count, rate)
    return found


class Held:
    """Limits that are held. ``release`` gives them back; twice is fine."""

    def __init__(self, limits: tuple[Limit, ...], handles: list[int]) -> None:
        self.limits = limits
        self._handles = handles

    @property
    def rate(self) -> int | None:
        """The lowest share of bytes a second among them."""
        return min((limit.share for limit in self.limits if limit.share is not None), default=None)

    def release(self) -> None:
        """Give everything back."""
        while self._handles:
            os.close(self._handles.pop())


class Limits:
    """The limits of this control host, in a folder that all its runs share."""

    def __init__(self, folder: Path, clock: Clock, run_id: str) -> None:
        self._folder = folder
        self._clock = clock
        self._run_id = run_id

    def hold(
        self, limits: Iterable[Limit], stop: Event, tell: Callable[[str], None], wait: float = WAIT_SECONDS
    ) -> Held:
        """Wait for all of them, in the order of their names, so that no two runs wait for each other.

        Raises:
            LimitError: not had in time; names who holds it. RunInterruptedError: the operator stopped the run.

        """
        wanted = tuple(sorted({limit.name: limit for limit in limits}.values(), key=lambda limit: limit.name))
        held = Held(wanted, [])
        try:
            for limit in wanted:
                held._handles.append(self._one(limit, stop, tell, wait))  # noqa: SLF001 - of this file
        except BaseException:
            held.release()
            raise
        return held

    def _one(self, limit: Limit, stop: Event, tell: Callable[[str], None], wait: float) -> int:
        folder = self._folder / _file_name(limit.name)
        private_folder(self._folder)
        private_folder(folder)
        until = self._clock.monotonic() + wait
        pause, told = 0.05, 0.0
        while True:
            for number in range(limit.count):
                handle = self._try(folder / str(number), shared=limit.shared)
                if handle is not None:
                    return handle
            now = self._clock.monotonic()
            if stop.is_set():
                raise RunInterruptedError(f"stopped by the operator while waiting for limit {limit.name}")
            if now >= until:
                raise LimitError(f"waited {wait:.0f} s for limit {limit.name}, held by {self._holders(folder)}")
            if now - told > 5:
                told = now
                tell(f"waiting for limit {limit.name}, held by {self._holders(folder)}")
            self._clock.sleep(min(pause, until - now), stop)
            pause = min(pause * 2, 1.0)

    def _try(self, file: Path, *, shared: bool) -> int | None:
        handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            return None
        os.ftruncate(handle, 0)
        if not shared:  # of those who share it, the file cannot say who is still there
            os.pwrite(handle, self._run_id.encode(), 0)
        return handle

    @staticmethod
    def _holders(folder: Path) -> str:
        names = {file.read_text(errors="replace") for file in folder.iterdir()}
        return ", ".join(f"run {name}" for name in sorted(names) if name) or "others"


def _file_name(name: str) -> str:
    """A limit's folder: its name where that is a plain one, else a hash of it."""
    return name.replace(":", "_") if _NAME.match(name) else hashlib.sha256(name.encode()).hexdigest()[:32]
