"""Windows' own command-line tools, as far as our functions call them: ``run(tool, arguments, host)``.

One module a tool, each a function from (arguments, host) to what it prints and its exit code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sitekeeper.lab.host import Host
from sitekeeper.lab.windows.native.answer import Answer
from sitekeeper.lab.windows.native.diskshadow import diskshadow
from sitekeeper.lab.windows.native.expand import expand
from sitekeeper.lab.windows.native.mountvol import mountvol
from sitekeeper.lab.windows.native.reg import reg
from sitekeeper.lab.windows.native.vssadmin import vssadmin

Tool = Callable[[Sequence[str], Host], Answer]

TOOLS: dict[str, tuple[Tool, tuple[int, int]]] = {
    "diskshadow.exe": (diskshadow, (6, 0)),
    "expand.exe": (expand, (5, 2)),
    "mountvol.exe": (mountvol, (5, 2)),
    "reg.exe": (reg, (5, 2)),
    "vssadmin.exe": (vssadmin, (5, 2)),
}
"""Each tool, and the first Windows (major, minor) that has it."""


def find_tool(name: str, host: Host) -> Tool | None:
    """A tool by its name with ``.exe``, or None where this Windows has none."""
    found = TOOLS.get(name.lower())
    if found is None or host.machine.os.level < found[1]:
        return None
    return found[0]
