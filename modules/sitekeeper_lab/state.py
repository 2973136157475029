"""Reads a lab host's state from disk, and changes nothing: what tests judge by."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path

from pydantic import TypeAdapter

from sitekeeper_lab.windows.files import HostFiles
from sitekeeper_lab.windows.model import Machine, Service
from sitekeeper_lab.windows.registry import Registry

MACHINE = TypeAdapter(Machine)
"""JSON to and from :class:`Machine`."""


class HostState:
    """One reading of a host's folder. Read again for what happened since."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.machine = MACHINE.validate_json((folder / "state.json").read_bytes())
        self.files = HostFiles(folder, self.machine)

    @cached_property
    def registry(self) -> Registry:
        """Its registry, read when it is first asked for."""
        return Registry(self.folder / "registry.json")

    def service(self, name: str) -> Service:
        """A service, whatever the case of its name.

        Raises:
            KeyError: the host has none of that name.

        """
        return next(s for key, s in self.machine.services.items() if key.lower() == name.lower())

    def states(self, *names: str) -> dict[str, str]:
        """Name → state of these services, or of all."""
        wanted = names or tuple(self.machine.services)
        return {name: self.service(name).state for name in wanted}

    def path(self, windows_path: str) -> Path:
        """The real file behind a Windows path."""
        return self.files.resolve(windows_path)


def read_state(folder: Path) -> HostState:
    """Read ``<state>/<host>`` as it is on disk now."""
    return HostState(folder)


def machine_json(machine: Machine) -> str:
    """A machine as it is written to ``state.json``."""
    return json.dumps(MACHINE.dump_python(machine, mode="json"), ensure_ascii=False, indent=1)
