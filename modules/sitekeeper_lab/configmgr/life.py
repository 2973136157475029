"""A living site: an Executive that counts in three places at once, and a console and a management point that go on.

The counter is what shows a torn backup: database row, inbox file and registry value are written in one step under the
host's I/O lock, so any two copies of one instant agree.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from datetime import UTC, datetime
from typing import Protocol

from sitekeeper_lab.configmgr.site import COUNTER_KEY, COUNTER_VALUE, branch, sender
from sitekeeper_lab.configmgr.tracelog import trace_line
from sitekeeper_lab.failing import loud
from sitekeeper_lab.host import Host
from sitekeeper_lab.sql.files import Database, DatabaseClosed
from sitekeeper_lab.sql.site_schema import status_message

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
    """The threads of one site: the Executive's and the traffic of those who do not stop with the services."""

    def __init__(self, host: Host, database: Database) -> None:
        site = host.machine.site
        if site is None:
            raise ValueError(f"{host.name} has no site")
        self.host = host
        self.database = database
        self.site = site
        self.key = f"{branch(site.generation)}\\SMS\\{COUNTER_KEY}"
        self.inbox = f"{site.install}\\inboxes\\labcounter.box\\counter.txt"
        self.tick, self.traffic = 0.02, 0.04
        """Seconds between two changes of the Executive, and of the others."""
        self._logs = f"{site.install}\\logs\\"
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
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
        for work in (self._executive, self._traffic):
            name = work.__name__[1:]
            thread = threading.Thread(
                target=loud(work, self.host.failed), name=f"lab-{self.host.name}-{name}", daemon=True
            )
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """End the threads. The database must not stay frozen meanwhile."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        self._threads.clear()
        if self._counter_file is not None:
            os.close(self._counter_file)
            self._counter_file = None
        self.host.registry.close()

    def _executive(self) -> None:
        while not self._stopping.wait(self.tick):
            if self.host.machine.services["SMS_EXECUTIVE"].state in _WORKING:
                try:
                    self._count()
                except _NotRunning:
                    pass
                except DatabaseClosed:
                    return
            self._ticks += 1
            if self._ticks % _LOG_EVERY == 0:
                self._log()

    def _count(self) -> None:
        with self.database.change("UPDATE LabCounter") as data, self.host.io_lock:
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

    def _traffic(self) -> None:
        number = 0
        while not self._stopping.wait(self.traffic):
            try:
                self.database.insert_traffic(("console", "management point")[number % 2])
            except DatabaseClosed:
                return
            self._wrote_database()
            number += 1

    def _wrote_database(self) -> None:
        if self.site.database is not None:
            for file in self.database.files:
                self.host.wrote(file.physical, _PAGE)
