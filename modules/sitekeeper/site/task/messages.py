"""Reads what ConfigMgr's backup task reports: the numbers in its log and of its status messages, and their meaning.

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
    2: "the destination or something in it does not exist: check the task's properties in the console",
    3: "the destination does not exist: create the folder, or correct it in the task's properties",
    5: "the computer account of the site server (LocalSystem) cannot write to the destination: check NTFS and share rights",
    32: "another program has a file of the destination open: close it, then run again",
    DISK_FULL: "the destination is full: the previous backup stays beside the new one until the new one is in the store, so both "
    "must fit",
    145: "another VSS backup is running, or a program has files of the destination open: run at another time (KB 2387913)",
}
"""Known Windows errors, and what to do. 32 and 112 are ERROR_SHARING_VIOLATION and ERROR_DISK_FULL."""
_MESSAGE = re.compile(r"\bID=(\d+) SEV=")
_WIN32 = re.compile(r"\bError = (\d+)\b")
_LINE = re.compile(r"<!\[LOG\[(.*?)\]LOG\]!>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class LogExcerpt:
    """A part of the log."""

    messages: tuple[int, ...]
    errors: tuple[int, ...]
    last: str
    """Its last line, for messages."""


def read(text: str) -> LogExcerpt:
    """Read the numbers in a part of smsbkup.log."""
    lines = _LINE.findall(text)
    return LogExcerpt(
        tuple(int(one) for one in _MESSAGE.findall(text)),
        tuple(int(one) for one in _WIN32.findall(text)),
        str(lines[-1])[:200] if lines else "",
    )


def find_fault(messages: Sequence[int]) -> str:
    """Find why these messages do not belong to one good run; empty if they do."""
    begun = [at for at, one in enumerate(messages) if one == STARTED]
    if not begun:
        return f"its start message ({STARTED}) is missing"
    if len(begun) > 1:
        return f"it was started {len(begun)} times: somebody else started it too"
    failed = [one for one in messages if one in FAILURES]
    if failed:
        return f"it reports a failure ({', '.join(str(one) for one in dict.fromkeys(failed))})"
    if COMPLETED not in messages[begun[0] :]:
        return f"its completion message ({COMPLETED}) is missing"
    return ""


def newest(messages: Sequence[int]) -> Sequence[int]:
    """The messages of the newest run, whoever started it."""
    begun = [at for at, one in enumerate(messages) if one == STARTED]
    return messages[begun[-1] :] if begun else messages


def build_error(told: LogExcerpt, why: str) -> SitekeeperError:
    """Build the error for a failed run: what it reported, and what to do."""
    known = [one for one in told.errors if one in ADVICE]
    errors = f", Windows error {', '.join(str(one) for one in dict.fromkeys(told.errors))}" if told.errors else ""
    text = f"the site's backup task failed: {why}{errors}; last line of its log: {told.last}"
    hint = ADVICE[known[-1]] if known else "read smsbkup.log in the Logs folder of the site"
    if DISK_FULL in told.errors:
        return SpaceError(text, hint=hint)
    if told.errors or any(one in FAILURES for one in told.messages):
        return RemoteError(text, hint=hint)
    return IntegrityError(text, hint=hint)
