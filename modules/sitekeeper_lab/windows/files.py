"""Windows paths on the lab's own disk: which real file a path means, whatever its case and its separators.

A mount point, an exposed shadow copy and a junction are symbolic links there, so that real programs see them, too.
"""

from __future__ import annotations

import errno
import os
import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sitekeeper_lab.windows.model import Metadata

if TYPE_CHECKING:
    from sitekeeper_lab.windows.model import Machine

READ_ONLY, HIDDEN, SYSTEM, DIRECTORY, ARCHIVE, REPARSE = 1, 2, 4, 16, 32, 1024
EPOCH = 116_444_736_000_000_000
"""1970 in 100 ns since 1601."""

_SHARE = re.compile(
    r"^\\\\(?:127\.0\.0\.1|localhost|\.)\\([a-z])\$(?:\\@GMT-([0-9.]+-[0-9.]+))?(?:\\(.*))?$", re.IGNORECASE
)
_DEVICE = re.compile(r"^\\\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy(\d+)(?:\\(.*))?$", re.IGNORECASE)
_VOLUME = re.compile(r"^\\\\\?\\Volume\{([0-9a-f-]+)\}(?:\\(.*))?$", re.IGNORECASE)
_DRIVE = re.compile(r"^([a-z]:)(?:\\(.*))?$", re.IGNORECASE)


class HostFiles:
    """The volumes and shadow copies of a machine as folders below ``root``."""

    def __init__(self, root: Path, machine: Machine) -> None:
        self.root = root
        self.machine = machine

    def resolve(self, path: str) -> Path:
        """The real path; it need not exist.

        Raises:
            FileNotFoundError: there is no such volume, share or shadow copy.

        """
        path = path.replace("/", "\\")
        base, rest = self._base(path)
        parts = [part for part in rest.split("\\") if part and part != "."]
        if ".." in parts:
            raise FileNotFoundError(errno.ENOENT, "the lab takes no '..' in a path", path)
        whole = os.path.join(base, *parts)  # noqa: PTH118 - of all that the lab does, this is done most often
        if os.path.lexists(whole):
            return Path(whole)
        return Path(_ignoring_case(base, parts))

    def _base(self, path: str) -> tuple[str, str]:
        if match := _SHARE.match(path):
            letter, gmt, rest = match.groups()
            volume = self.volume_id(f"{letter}:\\")
            if gmt is None:
                return self._folder(volume), rest or ""
            for copy in self.machine.shadows:
                stamp = datetime.fromisoformat(copy.created).strftime("%Y.%m.%d-%H.%M.%S")
                if copy.volume_id == volume and copy.client_accessible and stamp == gmt:
                    return f"{self.root}/{copy.folder}", rest or ""
        elif match := _DEVICE.match(path):
            for copy in self.machine.shadows:
                if copy.number == int(match[1]):
                    return f"{self.root}/{copy.folder}", match[2] or ""
        elif match := _VOLUME.match(path):
            return self._folder(match[1].lower()), match[2] or ""
        elif match := _DRIVE.match(path):
            return self._folder(self.volume_id(match[1] + "\\")), match[2] or ""
        raise FileNotFoundError(errno.ENOENT, "no such volume, share or shadow copy", path)

    def volume_id(self, name: str) -> str:
        r"""The id of a volume given as ``D:\``, a mount folder or ``\\?\Volume{…}\``, with or without the last backslash.

        Raises:
            FileNotFoundError: there is none.

        """
        wanted = name.rstrip("\\").lower()
        for volume in self.machine.volumes:
            if wanted in {volume.name.rstrip("\\").lower(), f"\\\\?\\volume{{{volume.id}}}"}:
                return volume.id
        raise FileNotFoundError(errno.ENOENT, "no such volume", name)

    def folder_of(self, volume_id: str) -> Path:
        """The real folder of a volume."""
        return Path(self._folder(volume_id))

    def _folder(self, volume_id: str) -> str:
        for volume in self.machine.volumes:
            if volume.id == volume_id:
                return f"{self.root}/{volume.folder}"
        raise FileNotFoundError(errno.ENOENT, "no such volume", volume_id)

    def volume_of(self, path: str) -> str:
        """The id of the volume that a file of a live path lies on: the one with the longest mount name."""
        lower = path.lower() + "\\"
        found = [v for v in self.machine.volumes if lower.startswith(v.name.lower())]
        if not found:
            raise FileNotFoundError(errno.ENOENT, "no such volume", path)
        return max(found, key=lambda volume: len(volume.name)).id

    def attributes(self, real: Path, extra: Metadata | None) -> tuple[int, int, int]:
        """(size, 100 ns since 1601, attribute bits) of a real file, with what only the lab's notes know of it."""
        return entry_facts(os.lstat(real), real, extra)


def entry_facts(stat: os.stat_result, real: str | Path, extra: Metadata | None) -> tuple[int, int, int]:
    """(size, 100 ns since 1601, attribute bits) of a real file, from its ``lstat`` and the lab's notes on it."""
    mode = stat.st_mode
    written = stat.st_mtime_ns // 100 + EPOCH
    if mode & 0o170000 == 0o120000:
        bits = REPARSE | (DIRECTORY if Path(real).is_dir() else 0)
        size = 0
    elif mode & 0o170000 == 0o040000:
        bits, size = DIRECTORY, 0
    else:
        bits, size = ARCHIVE, stat.st_size
        if not mode & 0o200:
            bits |= READ_ONLY
    if extra is not None:
        bits |= extra.attributes or 0
        written = extra.written if extra.written is not None else written
    return size, written, bits


def _ignoring_case(base: str, parts: list[str]) -> str:
    at = base
    for number, part in enumerate(parts):
        exact = f"{at}/{part}"
        if not os.path.lexists(exact):
            wanted = part.casefold()
            try:
                name = next((one for one in os.listdir(at) if one.casefold() == wanted), None)  # noqa: PTH208 - as above
            except (FileNotFoundError, NotADirectoryError):
                name = None
            if name is None:
                return os.path.join(at, *parts[number:])  # noqa: PTH118 - as above
            exact = f"{at}/{name}"
        at = exact
    return at
