"""Every failure that sitekeeper reports, as one tree. Each class owns a word and an exit code.

::

    SitekeeperError                 internal      70
    ├── BugError                    internal      70   a bug of ours; its frames are in the run's folder
    ├── Failed                      failed         1   the playbook said so: core.fail, core.assert, failed_when, until
    ├── UsageError                  usage          2   a command line, playbook, parameter or template is wrong
    ├── InventoryError              inventory      3   the inventory or the hierarchy in it is wrong
    ├── SecretError                 secret         4   a secret is missing, or stands where none belongs
    ├── UnreachableError            unreachable    5   no connection, or one that was lost for good
    ├── AuthError                   auth           6   refused log-in, untrusted certificate
    ├── RemoteError                 remote         7   a command on the host failed (carries its error record)
    │   └── RemoteTimeoutError      remote         7   ... or did not end inside its deadline
    ├── SqlError                    sql            8   SQL Server said no
    ├── SpaceError                  space          9   no room in the store or for the shadow copies
    ├── IntegrityError              integrity     10   bytes, a set, or an offline window are not what they must be
    ├── PreflightError              preflight     11   the site cannot become a good backup now
    ├── LimitError                  limit         12   gave up waiting for a resource or a lease
    ├── UndoError                   undo          13   something was left behind on a host
    ├── RunInterruptedError           interrupted   14   stopped by the operator
    └── PartialFailure              partial       20   several classes of failure in one run, or a set of less worth

A run whose failures are all of one class ends with that class's code, a mixed one with PartialFailure's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sitekeeper.engine.origin import Origin
    from sitekeeper.engine.plan import Check


class SitekeeperError(Exception):
    """The root. ``message`` says what happened, ``hint`` what to do, ``origin`` the line that asked for it."""

    word: ClassVar[str] = "internal"
    exit_code: ClassVar[int] = 70
    advice: ClassVar[str] = ""
    """What to do about any error of the class, where its own hint says nothing."""
    blames: str = ""
    """What is at fault, where that is certain: ``set``, for one that restores on no server. Whoever rescues a failure goes by it."""
    goes_on: bool = False
    """What failed is still at work on the host, without us: its play is left as it is, as if it had been cut off there."""

    def __init__(
        self,
        message: str,
        *,
        host: str | None = None,
        task: str | None = None,
        origin: Origin | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.host = host
        self.task = task
        self.origin = origin
        self.hint = hint
        self.checks: tuple[Check, ...] = ()
        """What was looked at before it failed, and at what it did."""

    def at(self, *, host: str | None = None, task: str | None = None, origin: Origin | None = None) -> SitekeeperError:
        """Fill in where it happened, where that is not known yet; answers itself."""
        self.host = self.host or host
        self.task = self.task or task
        self.origin = self.origin or origin
        return self

    def render(self) -> str:
        """The whole message for people: what, where, which line, what to do."""
        where = ", ".join(
            part
            for part in (f"host {self.host}" if self.host else "", f"task {self.task!r}" if self.task else "")
            if part
        )
        lines = [f"error[{self.word}]: {self.message}" + (f" ({where})" if where else "")]
        if self.origin is not None:
            lines.append(self.origin.excerpt())
        if self.hint or self.advice:
            lines.append(f"  hint: {self.hint or self.advice}")
        return "\n".join(lines)


class BugError(SitekeeperError):
    """A bug of ours. What it left of a task is unknown: it is not tried again, ignored or rescued."""


class Failed(SitekeeperError):  # noqa: N818 - the playbook's word, not an error of ours
    """The playbook said so."""

    word = "failed"
    exit_code = 1


class UsageError(SitekeeperError):
    """A command line, playbook, parameter or template is wrong; nothing was started."""

    word = "usage"
    exit_code = 2


class InventoryError(SitekeeperError):
    """The inventory, or the hierarchy that it describes, is wrong."""

    word = "inventory"
    exit_code = 3


class SecretError(SitekeeperError):
    """A secret cannot be had, or stands where none belongs."""

    word = "secret"
    exit_code = 4


class UnreachableError(SitekeeperError):
    """The host cannot be reached, or the connection was lost and could not be taken up again."""

    word = "unreachable"
    exit_code = 5
    advice = "see that the host runs and answers (WinRM, SQL Server), then run again; `sitekeeper rollback` undoes what is still open"


class AuthError(SitekeeperError):
    """The log-in was refused, or the host's certificate is not trusted."""

    word = "auth"
    exit_code = 6
    advice = "is the account locked or disabled, or its password expired?"


@dataclass(frozen=True, slots=True)
class ErrorRecord:
    """What PowerShell says of a failure. Judge by ``error_id`` and ``category``: ``message`` is in the host's language."""

    message: str
    error_id: str
    """FullyQualifiedErrorId."""
    category: int
    """System.Management.Automation.ErrorCategory, e.g. 13 ObjectNotFound, 18 PermissionDenied."""
    target: str | None = None
    exception: str | None = None

    @property
    def short_id(self) -> str:
        """The id without the class of the command that wrote it."""
        return self.error_id.split(",", 1)[0]


class RemoteError(SitekeeperError):
    """A command on the host failed; ``record`` holds its error record where there is one."""

    word = "remote"
    exit_code = 7
    advice = "look into the event logs of the host at this time"

    def __init__(
        self,
        message: str,
        *,
        record: ErrorRecord | None = None,
        host: str | None = None,
        task: str | None = None,
        origin: Origin | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, host=host, task=task, origin=origin, hint=hint)
        self.record = record


class RemoteTimeoutError(RemoteError):
    """Something on the host did not end inside its deadline; the message names the deadline."""


class SqlError(SitekeeperError):
    """SQL Server refused or failed a statement; ``number`` is its native error number (0 when unknown)."""

    word = "sql"
    exit_code = 8
    advice = "look into the error log of the SQL Server at this time"

    def __init__(
        self,
        message: str,
        *,
        number: int = 0,
        host: str | None = None,
        task: str | None = None,
        origin: Origin | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, host=host, task=task, origin=origin, hint=hint)
        self.number = number


class SpaceError(SitekeeperError):
    """No room: in the store, on a volume, or for shadow copies."""

    word = "space"
    exit_code = 9


class IntegrityError(SitekeeperError):
    """Bytes, a set or an offline window are not what they must be. Nothing of it counts as a backup."""

    word = "integrity"
    exit_code = 10
    advice = (
        "a damaged set stays damaged: use another one. If a host returned damaged data, run again; if it happens again, find out "
        "what changes the host at this time"
    )


class PreflightError(SitekeeperError):
    """The site cannot become a good backup now; nothing on it was changed."""

    word = "preflight"
    exit_code = 11


class LimitError(SitekeeperError):
    """Gave up waiting: for a lease that another run holds, or for a shared resource."""

    word = "limit"
    exit_code = 12
    advice = "wait until the other run has ended, or look at it: `sitekeeper runs list`"


class BusyError(LimitError):
    """Something of ours is still at work on the host and holds its lock: nothing was begun, and it may be asked again."""


class UndoError(SitekeeperError):
    """A change could not be taken back; the message says what is left and where to look."""

    word = "undo"
    exit_code = 13
    advice = "fix the cause on the host, then undo what is still open: `sitekeeper rollback`"


class RunInterruptedError(SitekeeperError):
    """The operator stopped the run; everything that was open was taken back."""

    word = "interrupted"
    exit_code = 14


class PartialFailure(SitekeeperError):  # noqa: N818 - named as the outcome that it is
    """Hosts failed for different reasons, or a set was made that is worth less than was asked for."""

    word = "partial"
    exit_code = 20
    advice = "completed with less than requested; fix the cause, then run again"


def exit_code_of(words: Iterable[str]) -> int:
    """The exit code of a run from the words of its failures: none 0, one class its code, several PartialFailure's."""
    distinct = set(words)
    if not distinct:
        return 0
    if len(distinct) > 1:
        return PartialFailure.exit_code
    (word,) = distinct
    codes = {cls.word: cls.exit_code for cls in _all(SitekeeperError)}
    return codes.get(word, SitekeeperError.exit_code)


def _all(cls: type[SitekeeperError]) -> list[type[SitekeeperError]]:
    found = [cls]
    for child in cls.__subclasses__():
        found += _all(child)
    return found
