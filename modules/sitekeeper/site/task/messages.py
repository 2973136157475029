"""What ConfigMgr's backup task says of itself: numbers of its log and its status messages, and what they mean.

Numbers: 5055 started, 5056 snapshot set made (TechNet wiki 8524), 5035 completed, 5040 AfterBackup.bat launched (Microsoft Learn,
"Back up a site"), those of a failure as a published check lists them (cmhealth, Test-CmSiteLastBackup). The log writes a message as
``STATMSG: ID=5035`` (Microsoft Learn) and an error of Windows as ``Win32 Error = 145`` (KB 2387913).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sitekeeper.engine.errors import IntegrityError, RemoteError, SitekeeperError, SpaceError

STARTED, SNAPSHOT, COMPLETED, AFTER_BACKUP = 5055, 5056, 5035, 5040
FAILURES = frozenset(
    {5000, 5002, 5004, 5006, 5008, 5017, 5018, 5019, 5022, 5024, 5025, 5026, 5027, 5032, 5033, *range(5043, 5054)}
)
DISK_FULL = 112
ADVICE = {
    2: "the destination or something in it is not there: look at the task's properties in the console",
    3: "the destination is not there: make the folder, or correct it in the task's properties",
    5: "the computer account of the site server (LocalSystem) may not write to the destination: NTFS and share rights",
    32: "something holds a file of the destination open",
    DISK_FULL: "the destination has no room: the previous backup is kept beside the new one until that is safe in the store",
    145: "another VSS backup is active, or something holds files of the destination open: run at another time (KB 2387913)",
}
"""Errors of Windows that the field knows, and what to do. 32 and 112 are ERROR_SHARING_VIOLATION and ERROR_DISK_FULL."""
_MESSAGE = re.compile(r"\bID=(\d+) SEV=")
_WIN32 = re.compile(r"\bError = (\d+)\b")
_LINE = re.compile(r"<!\[LOG\[(.*?)\]LOG\]!>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class LogExcerpt:
    """What a stretch of the log says."""

    messages: tuple[int, ...]
    errors: tuple[int, ...]
    last: str
    """Its last line, to be shown."""


def read(text: str) -> LogExcerpt:
    """Numbers of a stretch of smsbkup.log."""
    lines = _LINE.findall(text)
    return LogExcerpt(
        tuple(int(one) for one in _MESSAGE.findall(text)),
        tuple(int(one) for one in _WIN32.findall(text)),
        str(lines[-1])[:200] if lines else "",
    )


def find_fault(messages: Sequence[int]) -> str:
    """Why these messages are not those of one good run; empty if they are."""
    begun = [at for at, one in enumerate(messages) if one == STARTED]
    if not begun:
        return f"it never said that it had begun ({STARTED})"
    if len(begun) > 1:
        return f"it was begun {len(begun)} times: somebody else started it, too"
    failed = [one for one in messages if one in FAILURES]
    if failed:
        return f"it says that it failed ({', '.join(str(one) for one in dict.fromkeys(failed))})"
    if COMPLETED not in messages[begun[0] :]:
        return f"it never said that it had completed ({COMPLETED})"
    return ""


def newest(messages: Sequence[int]) -> Sequence[int]:
    """The messages of the newest run, whoever began it."""
    begun = [at for at, one in enumerate(messages) if one == STARTED]
    return messages[begun[-1] :] if begun else messages


def build_error(told: LogExcerpt, why: str) -> SitekeeperError:
    """The error for a run that came to a bad end: what it said, and what to do."""
    known = [one for one in told.errors if one in ADVICE]
    errors = f", Windows error {', '.join(str(one) for one in dict.fromkeys(told.errors))}" if told.errors else ""
    text = f"the site's backup task did not make a good backup: {why}{errors}; its last line: {told.last}"
    hint = ADVICE[known[-1]] if known else "read smsbkup.log in the site's logs folder"
    if DISK_FULL in told.errors:
        return SpaceError(text, hint=hint)
    if told.errors or any(one in FAILURES for one in told.messages):
        return RemoteError(text, hint=hint)
    return IntegrityError(text, hint=hint)
