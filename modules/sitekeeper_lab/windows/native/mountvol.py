"""mountvol.exe FOLDER /D: takes a mount point away, the volume stays."""

from __future__ import annotations

from collections.abc import Sequence

from sitekeeper_lab.host import Host
from sitekeeper_lab.windows.native.answer import Answer, NotEmulated
from sitekeeper_lab.windows.shadows import ShadowCopies


def mountvol(arguments: Sequence[str], host: Host) -> Answer:
    """Exit 1 where there is no mount point; the texts of its refusals are not recorded."""
    if len(arguments) != 2 or arguments[1].lower() != "/d":
        raise NotEmulated(f"mountvol.exe {' '.join(arguments)}")
    try:
        done = ShadowCopies(host).unmount(arguments[0])
    except FileNotFoundError:
        done = False
    return Answer([], 0 if done else 1)
