"""What can be made to go wrong on a lab host, by name."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

KNOWN: dict[str, str] = {
    "slow_stop": "stopping `service` takes `seconds` (lab clock)",
    "stop_hangs": "`service` stays in STOP_PENDING",
    "start_hangs": "`service` stays in START_PENDING",
    "start_and_die": "`service` starts and stops by itself a moment later",
    "restart_between": "something starts the site's services again just before the next shadow copy is made",
    "reboot": "the host reboots, shells and connections are gone: at once, with `later` just before the next shadow copy",
    "snapshot_fails": "diskshadow's CREATE fails with `code` (default 0x8004231f); its exit code stays 0",
    "snapshot_in_progress": "another shadow copy set is being made (0x80042316)",
    "writer_failed": "writer `id` (default the SQL writer's) is failed: `state`, `error`",
    "log_volume_missing": "the SQL writer sees a database file on a volume outside the set: torn",
    "shadow_storage_full": "the diff area runs over: all copies vanish, volsnap logs 25 and 36",
    "vanish_after_create": "the diff area runs over straight after the next shadow copy",
    "task_refused": "schtasks does not create the next task (exit code 1)",
    "tasks_do_not_run": "the Task Scheduler takes tasks and runs none of them",
    "maintenance_refused": "what the management server shall put into maintenance mode next stays out of it, without an error",
    "disk_full": "writing to `volume` (a letter) fails as on a full disk",
    "backup_fails": "the site's own backup task fails at `step`: destination, rights, delete, database, disk (see `configmgr.backup_task`)",
    "backup_hangs": "it never ends: it stays in the middle of its copying",
    "backup_slow": "it takes `seconds` longer for its copying (lab clock)",
    "backup_ends_silently": "it stops without having said that it has completed",
    "backup_leaves_stopped": "it does not start the site's services again",
    "setup_fails": "ConfigMgr's setup, or as `step` its prerequisite checker, ends with 1",
    "setup_wants_restart": "ConfigMgr's setup does its work and ends with 3010",
    "setup_killed": "somebody ends ConfigMgr's setup, and the program that ran it, in the middle: no exit code is written",
    "setup_hangs": "ConfigMgr's setup goes on until the faults are cleared (a minute at most)",
    "writer_fails": "the SQL writer fails at `phase` of the next shadow copy (see `windows.vss.PHASES`), with `code`",
}
"""Every fault of a host and what it does. Arguments stand in backquotes; ``times`` (default 1, 0 = until cleared) fits all."""

AT_ONCE: dict[str, str] = {
    "winrm_restarts": "the service WinRM restarts: its shells are gone and what was connected is cut off",
    "shadows_deleted": "somebody deletes the host's shadow copies",
    "sql_stops": "the service of the SQL Server stops: who was connected is cut off, nobody listens",
    "sql_starts": "it starts again",
    "clock_set": "the host's clock is `seconds` ahead of the lab's from now on, or behind it",
    "time_zone": "the host's local time is `minutes` further east of UTC: what daylight saving does",
    "date_format": "the host writes dates as `format` says (strftime) from now on",
    "all_signed": "a group policy sets PowerShell's execution policy to AllSigned",
}
"""What happens when it is asked for and stays so; ``lab.mishaps`` does it."""

WIRE: dict[str, str] = {
    "drop_connection": "WinRM drops the connection at request `at` (or the next `operation`), `when` = before, after or during",
    "refuse_login": "WinRM refuses the next `times` logins; 0: all from now on, as of a locked account",
    "black_hole": "WinRM takes connections and requests, and never answers",
    "slow_login": "WinRM lets every login wait for `seconds`",
    "sql_drop_connection": "SQL Server cuts the connection at request `at`, `when` = before, after or during",
    "sql_refuse_login": "SQL Server refuses the next `times` logins (0: all), with `number`",
    "sql_statement": "the next `kind` (attach, backup, restore, checkdb) ends `at` percent: `do` = disk_full, io_error, hang, drop",
    "sql_slow_login": "SQL Server lets every login wait for `seconds`",
}
"""The faults of the two servers, which the lab hands on to them."""


class UnknownFault(ValueError):  # noqa: N818  # reads as what it is in a traceback
    """No fault has this name; the message lists those that exist."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no fault named {name!r}; known: {', '.join(sorted(KNOWN | AT_ONCE | WIRE))}")


@dataclass(slots=True)
class Fault:
    """One fault that was asked for."""

    name: str
    times: int = 1
    """How often it still happens; 0 means until cleared."""
    arguments: dict[str, Any] = field(default_factory=dict)

    def matches(self, **wanted: str) -> bool:
        """Whether the fault is for these arguments; one that it does not name fits every value."""
        return all(str(self.arguments.get(key, value)).casefold() == value.casefold() for key, value in wanted.items())


class Faults:
    """The faults of one host; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, name: str, *, times: int = 1, **arguments: Any) -> Fault:
        """Ask for a fault.

        Raises:
            UnknownFault: there is none of that name.

        """
        if name not in KNOWN:
            raise UnknownFault(name)
        fault = Fault(name, times, arguments)
        with self._lock:
            self._faults.append(fault)
        return fault

    def take(self, name: str, **wanted: str) -> Fault | None:
        """The fault of that name, if one is due now; counts it as having happened."""
        with self._lock:
            for fault in self._faults:
                if fault.name == name and fault.matches(**wanted):
                    if fault.times == 1:
                        self._faults.remove(fault)
                    elif fault.times > 1:
                        fault.times -= 1
                    return fault
        return None

    def peek(self, name: str, **wanted: str) -> Fault | None:
        """The fault of that name, without counting."""
        with self._lock:
            return next((fault for fault in self._faults if fault.name == name and fault.matches(**wanted)), None)

    def clear(self) -> None:
        """Forget all faults. What they already did stays done."""
        with self._lock:
            self._faults.clear()

    def all(self) -> list[Fault]:
        """The faults that are still to come."""
        with self._lock:
            return list(self._faults)

    @contextmanager
    def during(self, name: str, **arguments: Any) -> Iterator[Fault]:
        """A fault that lasts as long as the ``with`` block."""
        fault = self.add(name, times=0, **arguments)
        try:
            yield fault
        finally:
            with self._lock:
                if fault in self._faults:
                    self._faults.remove(fault)
