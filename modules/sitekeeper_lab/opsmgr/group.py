"""A management group of Operations Manager: what it monitors, what is in maintenance mode until when, and its alerts.

Kept in ``opsmgr.json`` beside the ``state.json`` of its management server.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from sitekeeper_lab.audit import Audit
from sitekeeper_lab.clock import LabClock

Kind = Literal["scom", "opsmgr2007"]
COMPUTER = "Microsoft.Windows.Computer"
HEALTH_SERVICE = "Microsoft.SystemCenter.HealthService"
WATCHER = "Microsoft.SystemCenter.HealthServiceWatcher"
SYSTEM = "Microsoft.Windows.OperatingSystem"
CLASSES = (COMPUTER, HEALTH_SERVICE, WATCHER, SYSTEM)
HOSTED = (HEALTH_SERVICE, SYSTEM)
"""What a computer contains. The watcher is not among it: it belongs to the management servers."""
FILE = "opsmgr.json"


@dataclass(slots=True)
class Monitored:
    """An instance of a class."""

    id: str
    class_name: str
    computer: str
    """Fully qualified; the display name of computer, Health Service and watcher alike."""


@dataclass(slots=True)
class Window:
    """A maintenance window of one object. Times are ISO 8601, UTC."""

    object_id: str
    started: str
    until: str
    """ScheduledEndTime."""
    reason: str
    comment: str
    user: str = ""


@dataclass(slots=True)
class Alert:
    """A service was seen to be down while its computer was monitored."""

    raised: str
    computer: str
    service: str


@dataclass(slots=True)
class Content:
    """All of it, as it is written down."""

    kind: Kind
    objects: list[Monitored] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    """Every window that there ever was, the newest last; of one object at most one is active."""
    alerts: list[Alert] = field(default_factory=list)


_CONTENT = TypeAdapter(Content)


def read_group(folder: Path) -> Content:
    """The management group of ``<state>/<management server>`` as it is on disk now: what tests judge by."""
    return _CONTENT.validate_json((folder / FILE).read_bytes())


def found_group(folder: Path, kind: Kind, computers: Sequence[str]) -> None:
    """Make a management group that monitors these computers."""
    names = [(class_name, computer) for computer in computers for class_name in CLASSES]
    objects = [Monitored(str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{c} {n}")), c, n) for c, n in names]
    (folder / FILE).write_bytes(_CONTENT.dump_json(Content(kind, objects)))


class ManagementGroup:
    """A management group in service; thread-safe."""

    def __init__(self, folder: Path, name: str, clock: LabClock, audit: Audit) -> None:
        self.content = read_group(folder)
        self._file = folder / FILE
        self._name = name
        self._clock = clock
        self._audit = audit
        self._lock = threading.RLock()

    def instances(self, class_name: str) -> list[Monitored]:
        """All instances of a class."""
        return [one for one in self.content.objects if one.class_name == class_name]

    def find(self, object_id: str) -> Monitored:
        """An instance by its id.

        Raises:
            KeyError: there is none.

        """
        for one in self.content.objects:
            if one.id == object_id:
                return one
        raise KeyError(object_id)

    def hosted(self, computer: Monitored) -> list[Monitored]:
        """What an instance contains."""
        if computer.class_name != COMPUTER:
            return []
        return [o for o in self.content.objects if o.computer == computer.computer and o.class_name in HOSTED]

    def taken_along(self, one: Monitored) -> list[Monitored]:
        """What goes into maintenance mode with an object, itself first.

        2012 on: all that it contains, and with a computer its watcher, by a relationship of its own. 2007: what it contains
        but the Health Service; for that and for the watcher scripts ask separately. Both are believed.
        """
        if self.content.kind == "opsmgr2007":
            return [one, *(other for other in self.hosted(one) if other.class_name != HEALTH_SERVICE)]
        watchers = self.instances(WATCHER) if one.class_name == COMPUTER else []
        return [one, *self.hosted(one), *(other for other in watchers if other.computer == one.computer)]

    def window(self, one: Monitored) -> Window | None:
        """The active window of an object: one expires by the lab's clock."""
        now = self._clock.now()
        with self._lock:
            for window in reversed(self.content.windows):
                if window.object_id == one.id:
                    return window if now < datetime.fromisoformat(window.until) else None
        return None

    def start(self, objects: Sequence[Monitored], until: datetime, reason: str, comment: str, user: str = "") -> None:
        """Put objects into maintenance mode; those that are in it already stay as they are."""
        with self._lock:
            for one in objects:
                if self.window(one) is None:
                    now = self._clock.now().isoformat()
                    end = until.astimezone(UTC).isoformat()
                    self.content.windows.append(Window(one.id, now, end, reason, comment, user))
                    self._changed(one, "off", f"on until {end}")

    def set_end(self, one: Monitored, until: datetime, comment: str | None) -> None:
        """Give an active window another end, and another comment if one is given.

        Raises:
            LookupError: the object is not in maintenance mode.

        """
        with self._lock:
            window = self.window(one)
            if window is None:
                raise LookupError(one.id)
            before, window.until = window.until, until.astimezone(UTC).isoformat()
            window.comment = window.comment if comment is None else comment
            self._changed(one, f"on until {before}", f"on until {window.until}")

    def service_is_down(self, computer: str, service: str) -> None:
        """An automatic service is Stopped: an alert, unless its computer is in maintenance mode."""
        with self._lock:
            for one in self.instances(COMPUTER):
                if one.computer == computer and self.window(one) is None:
                    self.content.alerts.append(Alert(self._clock.now().isoformat(), computer, service))
                    self._save()
                    self._audit.write("alert", self._name, computer=computer, service=service)

    def _changed(self, one: Monitored, before: str, after: str) -> None:
        self._save()
        what = f"{one.class_name} {one.computer}"
        self._audit.write("change", self._name, kind="maintenance", what=what, **{"from": before, "to": after})

    def _save(self) -> None:
        part = self._file.with_name(FILE + ".part")
        part.write_bytes(_CONTENT.dump_json(self.content))
        part.replace(self._file)
