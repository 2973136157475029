"""expand.exe -F:name cabinet folder. What it prints is not recorded; nothing reads it."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

from sitekeeper_lab.host import Host
from sitekeeper_lab.windows.native.answer import Answer, NotEmulated
from sitekeeper_lab.windows.native.cabinet import unpack


def expand(arguments: Sequence[str], host: Host) -> Answer:
    """Unpack what matches into a folder that exists."""
    patterns = [argument[3:] for argument in arguments if argument[:3].lower() in {"-f:", "/f:"}]
    plain = [argument for argument in arguments if argument[0] not in "-/"]
    if len(patterns) != 1 or len(plain) != 2:
        raise NotEmulated(f"expand.exe {' '.join(arguments)}")
    cabinet, folder = plain
    if not host.exists(cabinet) or not host.exists(folder):
        return Answer([], 1)
    found = {n: d for n, d in unpack(host.read(cabinet)).items() if fnmatch.fnmatch(n.lower(), patterns[0].lower())}
    for name, data in found.items():
        host.write(f"{folder}\\{name}", data)
    return Answer([], 0 if found else 1)
