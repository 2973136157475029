"""A living site: an Executive that counts in three places at once, and a console and a management point that go on.

The counter is what shows a torn backup: database row, inbox file and registry value are written in one step under the
host's I/O lock, so any two copies of one instant agree.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from datetime import UTC, datetime
from typing import Protocol

from sitekeeper_lab.configmgr.site import COUNTER_KEY, COUNTER_VALUE, branch, sender
from sitekeeper_lab.configmgr.tracelog import trace_line
from sitekeeper_lab.host import Host
from sitekeeper_lab.pulse import Pulse
from sitekeeper_lab.sql.files import Database, DatabaseClosed
from sitekeeper_lab.sql.site_schema import status_message

TICK, IDLE_TICK = 0.02, 0.25
LOOKED_SECONDS = 5.0
"""For how long after a request a site lives fast."""
CROWD = 8
"""So many sites live at full pace; more share it."""
_LOG_EVERY = 5
_PAGE = 8192
_ALIVE = 500
"""A service was started: the most harmless of the numbers that are known."""
_WORKING = ("Running", "Stop Pending")


class _NotRunning(Exception):  # noqa: N818  # takes a change back; no fault
    """The Executive stopped while its change waited."""


class Life(Protocol):
    """Something that runs beside a host until it is told to stop."""

    def start(self) -> None:
        """Start the threads."""

    def stop(self) -> None:
        """End and join them."""


class SiteLife:
    """The life of one site: the Executive's, and the traffic of those who do not stop with the services."""

    def __init__(self, host: Host, database: Database, pulse: Pulse | None = None) -> None:
        site = host.machine.site
        if site is None:
            raise ValueError(f"{host.name} has no site")
        self.host = host
        self.database = database
        self.site = site
        self.key = f"{branch(site.generation)}\\SMS\\{COUNTER_KEY}"
        self.inbox = f"{site.install}\\inboxes\\labcounter.box\\counter.txt"
        self.tick = TICK
        """Seconds between two changes of the Executive while somebody looks; others write half as often."""
        self._pulse = pulse or Pulse(host.failed)
        self._logs = f"{site.install}\\logs\\"
        self._stopping = threading.Event()
        self._ticks = 0
        self._counter_file: int | None = None
        self._hour = ""

    @property
    def counter(self) -> int:
        """The counter as the registry has it."""
        value = self.host.registry.value(self.key, COUNTER_VALUE)
        return value.data if value is not None and isinstance(value.data, int) else 0

    def start(self) -> None:
        """Start counting from where the database was left."""
        self._stopping.clear()
        with self.host.io_lock:
            self._write_beside(self.database.counter())
        self._pulse.add(self._beat)

    def stop(self) -> None:
        """End it. Nothing of it is under way any more when this returns."""
        self._stopping.set()
        self._pulse.remove(self._beat)
        if self._counter_file is not None:
            os.close(self._counter_file)
            self._counter_file = None
        self.host.registry.close()

    def _beat(self) -> float | None:
        """One step of the life; returns the seconds until the next. While the database is frozen nothing can be changed."""
        if self._stopping.is_set():
            return None
        try:
            if not self.database.is_frozen and self.host.machine.services["SMS_EXECUTIVE"].state in _WORKING:
                self._count()
            if self._ticks % 2 and not self.database.is_frozen:
                self.database.insert_traffic(("console", "management point")[self._ticks // 2 % 2], self._give_up)
                self._wrote_database()
        except _NotRunning:
            pass
        except DatabaseClosed:
            return None
        self._ticks += 1
        if self._ticks % _LOG_EVERY == 0:
            self._log()
        return self._pace()

    def _pace(self) -> float:
        """Fast while somebody looks at the host, slow when nobody does, and slower where there are many sites."""
        crowd = max(1.0, len(self._pulse) / CROWD)
        looked = time.monotonic() - self.host.asked_at < LOOKED_SECONDS
        return (self.tick if looked else max(self.tick, IDLE_TICK)) * crowd

    def _give_up(self) -> None:
        if self._stopping.is_set():
            raise _NotRunning

    def _count(self) -> None:
        with self.database.change("UPDATE LabCounter", self._give_up) as data, self.host.io_lock:
            if self._stopping.is_set() or self.host.machine.services["SMS_EXECUTIVE"].state not in _WORKING:
                raise _NotRunning
            value = self.counter + 1
            at = self.host.now().astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds")
            data.execute("UPDATE LabCounter SET value = ?, at = ? WHERE id = 1", (value, at))
            self._message(data, at)
            self._write_beside(value)
        self._wrote_database()

    def _message(self, data: sqlite3.Connection, at: str) -> None:
        """A status message every hour of the lab's time: no living site is silent for long."""
        hour = at[:13]
        if hour != self._hour:
            self._hour = hour
            status_message(data, at, _ALIVE, self.site.code, sender(self.host.machine, self.site.generation))

    def _write_beside(self, value: int) -> None:
        if self._counter_file is None:
            self._counter_file = os.open(self.host.files.resolve(self.inbox), os.O_WRONLY | os.O_TRUNC)
        os.pwrite(self._counter_file, b"%d\r\n" % value, 0)  # it only grows
        self.host.registry.set_live(self.key, COUNTER_VALUE, value)

    def _log(self) -> None:
        now: datetime = self.host.now()
        for service, name in (("SMS_SITE_COMPONENT_MANAGER", "sitecomp.log"), ("SMS_EXECUTIVE", "smsexec.log")):
            if self.host.machine.services[service].state != "Running":
                continue
            line = trace_line(
                f"Waiting for changes, round {self._ticks}", service, now, 3000 + self._ticks % 7
            ).encode()
            with self.host.io_lock, self.host.files.resolve(self._logs + name).open("ab") as file:
                file.write(line)
            self.host.wrote(self._logs + name, len(line))

    def _wrote_database(self) -> None:
        if self.site.database is not None:
            for file in self.database.files:
                self.host.wrote(file.physical, _PAGE)
