"""A session to one host: structured commands; reads in batches, each change alone behind its fence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from threading import Lock
from typing import Any

from sitekeeper.engine.clock import Clock
from sitekeeper.engine.errors import (
    BusyError,
    ErrorRecord,
    LimitError,
    RemoteError,
    RemoteTimeoutError,
    SitekeeperError,
    UnreachableError,
    UsageError,
)
from sitekeeper.engine.figures import show_duration
from sitekeeper.engine.module import Needs
from sitekeeper.engine.session import Answer, Call, Session
from sitekeeper.transport.psrp import clixml, fragments, functions
from sitekeeper.transport.psrp.batch import Batch
from sitekeeper.transport.psrp.connection import PsrpTarget
from sitekeeper.transport.psrp.request import Statement
from sitekeeper.transport.psrp.shell import Shell, ShellExpiredError, ShellGoneError

CALL_SECONDS = 300.0
"""Default deadline of one pipeline."""
UNLOCK_SECONDS = 30.0
"""How long releasing the lock of a failed change may take before its shell is deleted."""
READ_ATTEMPTS = 3
"""How often in total a reading pipeline is run if its shell is lost."""
PLAIN = "Microsoft.PowerShell"
"""The endpoint that every host has; it accepts script text from administrators."""
OBJECT_NOT_FOUND = 13
Fence = Callable[[], Call]


class PsrpSession:
    """Commands on one host. Opened on first use; a lost shell is reopened; other threads may only call ``cancel``."""

    def __init__(self, target: PsrpTarget, clock: Clock) -> None:
        self.target = target
        self._fence: Fence | None = None
        """The first statement of every change; without it nothing can be changed."""
        self._renew: Callable[[], bool] | None = None
        """Called when the fence refuses: whether the lease could be renewed and no other run was in between."""
        self._bound: tuple[float, str] | None = None
        """The nearest deadline of the current work: a moment (monotonic seconds), and its name."""
        self._needs: Needs | None = None
        """What may be sent now: the declared needs of the current module. None: anything (our own setup)."""
        self._clock = clock
        self._shell: Shell | None = None
        self._loaded = False
        self._running: str | None = None
        self._starting = self._cancelled = False
        self._lock = Lock()
        """Protects these three: ``cancel`` is called from another thread."""

    def use_fence(self, fence: Fence, renew: Callable[[], bool] | None = None) -> None:
        """From now on changes may be sent, each behind this fence; ``renew`` is called when the fence refuses."""
        self._fence, self._renew = fence, renew

    def drop_fence(self) -> None:
        """From now on nothing can be changed."""
        self._fence = self._renew = None

    def bind(self, until: float | None, what: str = "") -> None:
        """From now on every call fails that has not finished at this moment (monotonic seconds); None removes the limit."""
        self._bound = None if until is None else (until, what)

    @property
    def deadline(self) -> tuple[float, str] | None:
        """The last value of ``bind``; any thread may read it."""
        return self._bound

    def limit_to(self, needs: Needs | None) -> None:
        """From now on only what these needs declare may be sent; None removes the limit."""
        self._needs = needs

    def limit_as(self, other: PsrpSession) -> None:
        """Copy the deadline and the needs of another session of the same play."""
        self._bound, self._needs = other._bound, other._needs

    def call(self, command: str, /, **args: Any) -> list[Any]:
        """Run one reading command."""
        output, errors = self._read([Statement(self._check_allowed(command, args))])
        if errors:
            raise self._build_error(command, errors[0])
        return output

    def read(self, calls: Sequence[Call]) -> list[Answer]:
        """Run several reading commands in one pipeline; a marker after each separates their output and errors."""
        batch = Batch(calls)
        output, strays = self._read(batch.statements(lambda call: self._check_allowed(call.command, dict(call.args))))
        answers, unclaimed = batch.answers(output, strays)
        if unclaimed is not None:
            raise self._build_error(calls[0].command, unclaimed)
        return answers

    def change(self, command: str, /, *, deadline: float | None = None, **args: Any) -> list[Any]:
        """Run one changing command behind the fence; never sent twice."""
        if self._fence is None:
            raise SitekeeperError(
                f"{command} needs a lease of {self.target.host}, but none was taken", host=self.target.host
            )
        output, errors = self._run_fenced(self._fence, command, args, deadline or CALL_SECONDS)
        lost = _find_lost_lease(errors)
        if lost is not None and self._renew is not None and self._renew():
            # The fence stopped the pipeline: nothing ran.
            output, errors = self._run_fenced(self._fence, command, args, deadline or CALL_SECONDS)
            lost = _find_lost_lease(errors)
        if lost is not None:
            raise LimitError(f"the lease of {self.target.host} was lost: {lost.message}", host=self.target.host)
        if errors and errors[0].short_id == "SkLeaseBusy":
            raise BusyError(f"{command}: {errors[0].message}", host=self.target.host)
        if errors:
            raise self._build_error(command, errors[0])
        return output

    def change_beside(self, home: Session, command: str, /, *, deadline: float | None = None, **args: Any) -> list[Any]:
        """Run one changing command without a lease here, directly after the fence of ``home`` allowed it; never sent twice."""
        call = self._check_allowed(command, args)
        self._load_functions(command)
        home.change("Write-Output", InputObject="fence")
        try:
            output, errors = self._run([Statement(call)], deadline or CALL_SECONDS, command)
        except ShellGoneError:
            self._drop()
            raise UnreachableError(
                f"the connection was lost during {command}; it is not known whether it was executed",
                host=self.target.host,
            ) from None
        if errors:
            raise self._build_error(command, errors[0])
        return output

    def _run_fenced(
        self, fence: Fence, command: str, args: dict[str, Any], seconds: float
    ) -> tuple[list[Any], list[ErrorRecord]]:
        """Run the fence, the change and the end of the fence: the host's lock is held from the first to the last."""
        statements = [
            Statement(fence()),
            Statement(self._check_allowed(command, args)),
            Statement(Call("Clear-SkFence")),
        ]
        for statement in statements:
            self._load_functions(statement.call.command)
        ended = False
        try:
            output, errors = self._run(statements, seconds, command)
            # A fence that refuses holds no lock.
            ended = not errors or errors[0].short_id in {"SkLeaseLost", "SkLeaseBusy"}
        except ShellGoneError:
            self._drop()
            raise UnreachableError(
                f"the connection was lost during {command}; it is not known whether it was executed",
                host=self.target.host,
            ) from None
        finally:
            if not ended and self._shell is not None:
                self._unlock()
        return output, errors

    def _unlock(self) -> None:
        """Release the lock of a pipeline that did not reach its last statement: its shell would lock out the guard too."""
        try:
            self._run([Statement(Call("Clear-SkFence"))], UNLOCK_SECONDS)
        except (ShellGoneError, SitekeeperError):
            self._drop()  # the lock ends with the shell's process

    def stream(self, command: str, /, **args: Any) -> Iterator[Any]:
        """Run one reading command and yield its objects when they arrive."""
        call = self._check_allowed(command, args)
        self._load_functions(command)
        shell = self._open_shell()
        errors: list[ErrorRecord] = []
        try:
            shell, pipeline = self._begin(shell, [Statement(call)])
            finished = False
            try:
                # Deadline per message: a stream may take hours, but must not stall.
                for message in shell.messages(pipeline, lambda: self._until(CALL_SECONDS)):
                    value = self._value(message, errors)
                    if value is not _NOTHING:
                        yield value
                finished = True
            finally:
                self._running = None
                shell.end(pipeline) if finished else shell.stop(pipeline)
        except ShellGoneError:
            self._drop()
            raise UnreachableError(f"the connection was lost during {command}", host=self.target.host) from None
        except TimeoutError:
            self._drop()
            text = f"{command} sent nothing for {show_duration(CALL_SECONDS)} (deadline of one pipeline)"
            raise self._build_overdue(text, command) from None
        if errors:
            raise self._build_error(command, errors[0])

    def cancel(self) -> None:
        """Stop what is running, from any thread: a signal over a separate connection."""
        with self._lock:
            pipeline, shell = self._running, self._shell
            self._cancelled = self._starting
        if pipeline is not None and shell is not None:
            shell.stop_from_outside(pipeline)

    def close(self) -> None:
        """End the session and delete its shell."""
        if self._shell is not None:
            self._shell.close()
            self._shell = None

    def raw(self, command: str, /, **args: Any) -> list[Any]:
        """A call of our own setup (leases), outside of any module's needs. Sent once.

        Raises:
            RemoteError: with the record. UnreachableError: the connection was lost; the result is unknown.

        """
        self._load_functions(command)
        try:
            output, errors = self._run([Statement(Call(command, args))], CALL_SECONDS)
        except ShellGoneError:
            self._drop()
            raise UnreachableError(f"the connection was lost during {command}", host=self.target.host) from None
        if errors:
            raise self._build_error(command, errors[0])
        return output

    def ask(self, command: str, /, **args: Any) -> list[Any]:
        """A reading call of our own setup, sent again after a lost connection.

        Raises:
            As ``call``.

        """
        output, errors = self._read([Statement(Call(command, args))])
        if errors:
            raise self._build_error(command, errors[0])
        return output

    def _check_allowed(self, command: str, args: dict[str, Any]) -> Call:
        if self._needs is not None and not self._needs.allows(command, args):
            raise SitekeeperError(
                f"a module sent {command}, which its needs do not declare in this form", host=self.target.host
            )
        return Call(command, args)

    def _read(self, statements: list[Statement]) -> tuple[list[Any], list[ErrorRecord]]:
        for attempt in range(1, READ_ATTEMPTS + 1):
            for statement in statements:
                self._load_functions(statement.call.command)
            try:
                return self._run(statements, CALL_SECONDS)
            except ShellGoneError:
                self._drop()
                if attempt == READ_ATTEMPTS:
                    break
        raise UnreachableError(f"the connection was lost during {statements[0].call.command}", host=self.target.host)

    def _until(self, seconds: float) -> float:
        """The moment when a pipeline that starts now must have finished."""
        until = self._clock.monotonic() + seconds
        return until if self._bound is None else min(until, self._bound[0])

    def _build_overdue(self, text: str, command: str) -> RemoteTimeoutError:
        """Build the error of a deadline, with the name of the deadline."""
        if self._bound is not None and self._clock.monotonic() >= self._bound[0]:
            text = f"{self._bound[1]} (during {command})"
        return RemoteTimeoutError(text, host=self.target.host)

    def _open_in_time(self, command: str) -> Shell:
        if self._bound is not None and self._clock.monotonic() >= self._bound[0]:
            raise RemoteTimeoutError(f"{self._bound[1]} (before {command})", host=self.target.host)
        return self._open_shell()

    def _run(self, statements: list[Statement], seconds: float, name: str = "") -> tuple[list[Any], list[ErrorRecord]]:
        name = name or statements[-1].call.command
        shell, pipeline = self._begin(self._open_in_time(name), statements)
        output: list[Any] = []
        errors: list[ErrorRecord] = []
        deadline = self._until(seconds)
        try:
            for message in shell.messages(pipeline, lambda: deadline):
                value = self._value(message, errors)
                if value is not _NOTHING:
                    output.append(value)
        except TimeoutError:
            self._stop_hung(shell, pipeline)
            raise self._build_overdue(
                f"{name} did not finish within {show_duration(seconds)} (deadline of one pipeline)", name
            ) from None
        finally:
            self._running = None
        shell.end(pipeline)
        return output, errors

    def _begin(self, shell: Shell, statements: list[Statement]) -> tuple[Shell, str]:
        """Start a pipeline, in a new shell if the host deleted the old one.

        If it was cancelled before its start was confirmed, it is stopped at once.
        """
        with self._lock:
            self._starting, self._cancelled = True, False
        try:
            try:
                pipeline = shell.start(statements)
            except ShellExpiredError:
                shell = self._reopen(statements)
                with self._lock:
                    self._starting = True
                pipeline = shell.start(statements)
        except BaseException:
            with self._lock:
                self._starting = False
            raise
        with self._lock:
            self._starting, self._running = False, pipeline
            cancelled = self._cancelled
        if cancelled:
            shell.stop(pipeline)
        return shell, pipeline

    def _reopen(self, statements: list[Statement]) -> Shell:
        """Open a new shell for statements that did not start, with our functions if they need them."""
        self._drop()
        for statement in statements:
            if not statement.is_script:
                self._load_functions(statement.call.command)
        return self._open_shell()

    @staticmethod
    def _value(message: fragments.Message, errors: list[ErrorRecord]) -> Any:
        """The object of a message; error records are collected, other streams ignored."""
        if message.type == fragments.PIPELINE_OUTPUT:
            return clixml.decode(message.data)
        if message.type == fragments.ERROR_RECORD:
            record = clixml.decode(message.data)
            errors.append(record if isinstance(record, ErrorRecord) else ErrorRecord(str(record), "", 0))
        elif message.type == fragments.PIPELINE_STATE:
            state = clixml.decode(message.data)
            if state.get("PipelineState") != fragments.COMPLETED:
                record = state.get("ExceptionAsErrorRecord")
                errors.append(
                    record
                    if isinstance(record, ErrorRecord)
                    else ErrorRecord("the pipeline was stopped", "PipelineStopped", 14)
                )
        return _NOTHING

    def _open_shell(self) -> Shell:
        if self._shell is None:
            self._shell = Shell(self.target, self._clock)
            self._loaded = False
        return self._shell

    def _load_functions(self, command: str) -> None:
        """Load our functions into the session before one of them is called for the first time."""
        self._open_shell()
        if self._loaded or command not in functions.sources():
            return
        if self.target.configuration.lower() != PLAIN.lower() and self._has_functions():
            self._loaded = True
            return
        _, errors = self._set_up([Statement(Call(text), is_script=True) for text in functions.sources().values()])
        if errors:
            raise self._build_error("loading the functions of sitekeeper", errors[0])
        self._loaded = True

    def _set_up(self, statements: list[Statement]) -> tuple[list[Any], list[ErrorRecord]]:
        for attempt in range(1, READ_ATTEMPTS + 1):
            try:
                return self._run(statements, CALL_SECONDS)
            except ShellGoneError:
                self._drop()
                if attempt == READ_ATTEMPTS:
                    break
        raise UnreachableError("the connection was lost while the session was set up", host=self.target.host)

    def _has_functions(self) -> bool:
        """Whether the endpoint contains our functions, as those of ``sitekeeper jea build`` do.

        Raises:
            UsageError: it contains those of another version.

        """
        output, errors = self._set_up([Statement(Call("Get-SkRole"))])
        if errors and errors[0].category == OBJECT_NOT_FOUND:
            return False
        if errors:
            raise self._build_error("Get-SkRole", errors[0])
        if output[0]["Functions"] != functions.fingerprint():
            raise UsageError(
                f"the endpoint {self.target.configuration} was built by another version of sitekeeper",
                host=self.target.host,
                hint="build it again with `sitekeeper jea build`, and install it on the host",
            )
        return True

    def _drop(self) -> None:
        """Forget a lost shell; the next call opens a new one."""
        if self._shell is not None:
            self._shell.abandon()
            self._shell = None

    def _stop_hung(self, shell: Shell, pipeline: str) -> None:
        """Stop a pipeline that does not end, and drop its shell: it may ignore the stop, and the pool has only one runspace."""
        shell.stop(pipeline)
        self._drop()

    def _build_error(self, command: str, record: ErrorRecord) -> RemoteError:
        return RemoteError(f"{command}: {record.message} [{record.short_id}]", record=record, host=self.target.host)


class _Nothing:
    """This message has no output."""


_NOTHING = _Nothing()


def _find_lost_lease(errors: list[ErrorRecord]) -> ErrorRecord | None:
    return next((record for record in errors if record.short_id == "SkLeaseLost"), None)
