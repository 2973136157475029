"""Scripts of other clients that the engine knows.

Those of pypsrp by their hash, whose twins live beside the wire; Ansible's ``raw`` by its form, where the command is a
native tool with literal words.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

from typing_extensions import override

from sitekeeper_lab.engines.api import Command, ErrorRecord
from sitekeeper_lab.engines.binding import not_emulated
from sitekeeper_lab.host import Host
from sitekeeper_lab.wsman import pypsrp_scripts

ScriptTwin = Callable[[Host, Command, Iterable[Any]], Iterator[Any]]

_VARIABLES = {"systemroot": r"C:\WINDOWS", "windir": r"C:\WINDOWS", "temp": r"C:\WINDOWS\Temp", "systemdrive": "C:"}
_LOCATION = "C:\\"
_RAW = re.compile(r"""([\w-]+\.exe)((?: (?:[\w\\:./=-]+|"[^"$`]*"|'[^']*'))*)\nexit \$LASTEXITCODE""")
"""Ansible's psrp plugin sends what ``raw`` was given with this second line."""
_WORD = re.compile(r""""([^"]*)"|'([^']*)'|(\S+)""")


class SessionFiles:
    """A host's files, as a script of a session sees them."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def full_path(self, path: str) -> str:
        """An absolute path; a relative one is below the session's location."""
        return path if path[1:2] == ":" or path.startswith("\\\\") else _LOCATION + path

    def expand(self, path: str) -> str:
        """Environment variables replaced."""
        return re.sub(r"%(\w+)%", lambda match: _VARIABLES.get(match[1].lower(), match[0]), path)

    def is_folder(self, path: str) -> bool:
        """Whether there is a folder."""
        return self._host.exists(path) and self._host.files.resolve(path).is_dir()

    def is_file(self, path: str) -> bool:
        """Whether there is a file."""
        return self._host.exists(path) and self._host.files.resolve(path).is_file()

    def open_read(self, path: str) -> BinaryIO:
        """An existing file."""
        try:
            return self._host.files.resolve(path).open("rb")
        except OSError as error:
            raise _failed(error) from error

    def open_write(self, path: str) -> BinaryIO:
        """A file that is in its place once it is closed."""
        if not self.is_folder(path.rpartition("\\")[0] + "\\"):
            raise _failed(FileNotFoundError(path))
        return _Written(self._host, path)


class _Written(io.BytesIO):
    def __init__(self, host: Host, path: str) -> None:
        super().__init__()
        self._host = host
        self._path = path

    @override
    def close(self) -> None:
        if not self.closed:
            self._host.write(self._path, self.getvalue())
        super().close()


def _failed(error: OSError) -> ErrorRecord:
    return ErrorRecord(str(error), type(error).__name__, 0, "System.Management.Automation.MethodInvocationException")


def _fetch(host: Host, command: Command, given: Iterable[Any]) -> Iterator[Any]:
    del given
    return pypsrp_scripts.fetch(SessionFiles(host), command)


def _copy(host: Host, command: Command, given: Iterable[Any]) -> Iterator[Any]:
    return pypsrp_scripts.copy(SessionFiles(host), command, given)


def _raw(host: Host, command: Command, given: Iterable[Any]) -> Iterator[Any]:
    # Imported here: the tools import the host's VSS, and this file is imported early.
    from sitekeeper_lab.windows.native import find_tool  # noqa: PLC0415  # as above
    from sitekeeper_lab.windows.native.answer import NotEmulated  # noqa: PLC0415  # as above

    del given
    match = _RAW.fullmatch(command.text)
    assert match is not None  # noqa: S101  # script_twin looked
    tool = find_tool(match[1], host)
    if tool is None:
        raise not_emulated(f"the command {match[1]}")
    try:
        answer = tool([double or single or bare for double, single, bare in _WORD.findall(match[2])], host)
    except NotEmulated as error:
        raise not_emulated(str(error)) from error
    if answer.code or answer.errors:
        raise not_emulated(
            f"{match[1]} failing inside a script: its exit code would travel as a call to the client's host"
        )
    return iter(answer.lines)


def script_twin(text: str) -> ScriptTwin | None:
    """The twin of a script's text."""
    known = {pypsrp_scripts.FETCH_SHA256: _fetch, pypsrp_scripts.COPY_SHA256: _copy}
    found = known.get(hashlib.sha256(text.encode()).hexdigest())
    return found or (_raw if _RAW.fullmatch(text) else None)
