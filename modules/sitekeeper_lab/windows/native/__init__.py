"""Command-line tools as far as our functions call them: ``run(tool, arguments, host)``. Windows' own, and an operator's.

One module a tool, each a function from (arguments, host) to what it prints and its exit code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sitekeeper_lab.host import Host
from sitekeeper_lab.windows.native.answer import Answer
from sitekeeper_lab.windows.native.diskshadow import diskshadow
from sitekeeper_lab.windows.native.eventcreate import eventcreate
from sitekeeper_lab.windows.native.expand import expand
from sitekeeper_lab.windows.native.find import find
from sitekeeper_lab.windows.native.mountvol import mountvol
from sitekeeper_lab.windows.native.reg import reg
from sitekeeper_lab.windows.native.sc import sc
from sitekeeper_lab.windows.native.schtasks import schtasks
from sitekeeper_lab.windows.native.vshadow import vshadow
from sitekeeper_lab.windows.native.vssadmin import vssadmin

Tool = Callable[[Sequence[str], Host], Answer]

TOOLS: dict[str, tuple[Tool, tuple[int, int]]] = {
    "diskshadow.exe": (diskshadow, (6, 0)),
    "eventcreate.exe": (eventcreate, (5, 2)),
    "expand.exe": (expand, (5, 2)),
    "find.exe": (find, (5, 2)),
    "mountvol.exe": (mountvol, (5, 2)),
    "reg.exe": (reg, (5, 2)),
    "sc.exe": (sc, (5, 2)),
    "schtasks.exe": (schtasks, (5, 2)),
    "vssadmin.exe": (vssadmin, (5, 2)),
}
"""Each tool of Windows, and the first Windows (major, minor) that has it."""

SUPPLIED: dict[str, Tool] = {"vshadow.exe": vshadow}
"""Tools that are there only where somebody put them; they are called by their path."""


def find_tool(name: str, host: Host) -> Tool | None:
    """A tool by its name with ``.exe``, or a supplied one by its path; None where this host has none."""
    folder, _, last = name.rpartition("\\")
    if folder:
        if not host.exists(name):
            return None
        program = host.programs.get(last.lower())
        return SUPPLIED.get(last.lower()) if program is None else lambda arguments, _host: program(name, arguments)
    found = TOOLS.get(name.lower())
    if found is None or host.machine.os.level < found[1]:
        return None
    return found[0]


def tools_of(host: Host) -> list[str]:
    """What can be called on this host: names of Windows' own tools, paths of supplied ones in the work roots."""
    names = [name for name in TOOLS if find_tool(name, host)]
    letters = [volume.letter for volume in host.machine.volumes if volume.letter]
    paths = [f"{letter}\\sitekeeper\\{name}" for letter in letters for name in SUPPLIED]
    return names + [path for path in paths if find_tool(path, host)]
