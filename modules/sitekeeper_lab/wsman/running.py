"""One pipeline: its input, its outbox, and the thread in which the engine runs it."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterator
from typing import Any, Final

from sitekeeper_lab.engines.api import ErrorRecord, Pipeline, Runspace

from . import records
from .clixml import dumps
from .clixml_reader import ClixmlError, loads
from .messages import Head, MessageType
from .outbox import Outbox, PipelineStopped
from .pipeline_message import PipelineMessage

STOPPED, COMPLETED, FAILED = 3, 4, 5
"""PSInvocationState; Windows sends no Running."""

_INPUT_LIMIT: Final = 8 * 1024 * 1024
_log: Final = logging.getLogger(__name__)


class Input:
    """The objects that a client sends to a pipeline; iterated by the engine, bounded like an outbox."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queue: deque[bytes] = deque()
        self._size = 0
        self._ended = False

    def put(self, clixml: bytes) -> None:
        """Queue one object; waits while much is unread."""
        with self._changed:
            while self._size >= _INPUT_LIMIT and not self._ended:
                self._changed.wait()
            if not self._ended:
                self._queue.append(clixml)
                self._size += len(clixml)
                self._changed.notify_all()

    def end(self, *, discard: bool = False) -> None:
        """Nothing comes any more; ``discard`` forgets the unread, because nobody will read it."""
        with self._changed:
            self._ended = True
            if discard:
                self._queue.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[Any]:
        """The objects, as they come."""
        while True:
            with self._changed:
                while not self._queue and not self._ended:
                    self._changed.wait()
                if not self._queue:
                    return
                clixml = self._queue.popleft()
                self._size -= len(clixml)
                self._changed.notify_all()
            yield loads(clixml)


class _Sink:
    """What the engine writes to."""

    def __init__(self, outbox: Outbox, head: Head, stopped: threading.Event, *, hresult: bool) -> None:
        self._outbox = outbox
        self._head = head
        self._stopped = stopped
        self._hresult = hresult

    def output(self, value: Any) -> None:
        """One object; an ErrorRecord is one that the engine merged into the output (``Command.merge_errors``)."""
        clixml = records.error_record(value, hresult=self._hresult) if isinstance(value, ErrorRecord) else dumps(value)
        self._outbox.put(self._head.message(MessageType.PIPELINE_OUTPUT, clixml))

    def error(self, record: ErrorRecord) -> None:
        """A non-terminating error."""
        clixml = records.error_record(record, hresult=self._hresult)
        self._outbox.put(self._head.message(MessageType.ERROR_RECORD, clixml))

    def warning(self, message: str) -> None:
        """A warning."""
        self._outbox.put(self._head.message(MessageType.WARNING_RECORD, records.warning_record(message)))

    @property
    def stopped(self) -> threading.Event:
        """Set when the client stops the pipeline or is gone."""
        return self._stopped


class Turns:
    """A runspace runs one pipeline after the other, in the order in which they came: not in that in which threads wake."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queue: deque[RunningPipeline] = deque()

    def join(self, pipeline: RunningPipeline) -> None:
        """Be the last of the queue."""
        with self._changed:
            self._queue.append(pipeline)

    def come(self, pipeline: RunningPipeline, seconds: float) -> bool:
        """Wait so long for its turn: it has come."""
        with self._changed:
            return self._changed.wait_for(lambda: self._queue[0] is pipeline, seconds)

    def leave(self, pipeline: RunningPipeline) -> None:
        """Whether it ran or gave up: the next one may."""
        with self._changed:
            self._queue.remove(pipeline)
            self._changed.notify_all()


class RunningPipeline:
    """A command of a shell, from Command to Terminate."""

    def __init__(self, command_id: str, outbox: Outbox, head: Head, *, hresult: bool) -> None:
        self.command_id = command_id
        self.outbox = outbox
        self.input = Input()
        self.finished = False
        self._head = head
        self._hresult = hresult
        self._stopped = threading.Event()

    def run(self, message: PipelineMessage, runspace: Runspace, turns: Turns) -> None:
        """Run to the end, in the calling thread, when its turn has come; it has joined the queue before."""
        try:
            while not turns.come(self, 0.1):
                if self._stopped.is_set():
                    self._finish(STOPPED)
                    return
            self._run(message, runspace)
        finally:
            turns.leave(self)

    def _run(self, message: PipelineMessage, runspace: Runspace) -> None:
        sink = _Sink(self.outbox, self._head, self._stopped, hresult=self._hresult)
        pipeline = Pipeline(message.statements, self.input if message.takes_input else ())
        try:
            if not self._stopped.is_set():
                runspace.run(pipeline, sink)
        except PipelineStopped:
            self._stopped.set()
        except ErrorRecord as record:
            self._finish(STOPPED if self._stopped.is_set() else FAILED, record)
            return
        except Exception as error:  # noqa: BLE001  whatever the engine breaks on, the client must hear of it
            self.fail(error)
            return
        self._finish(STOPPED if self._stopped.is_set() else COMPLETED)

    def fail(self, error: Exception) -> None:
        """End the pipeline with a record about the emulator itself, which no Windows would send."""
        if not isinstance(error, ClixmlError):
            _log.exception("the engine failed in pipeline %s", self.command_id, exc_info=error)
        record = ErrorRecord(f"emulator: {type(error).__name__}: {error}", "EmulatorError", activity="emulator")
        self._finish(FAILED, record)

    def _finish(self, state: int, record: ErrorRecord | None = None) -> None:
        self.finished = True
        self.input.end(discard=True)
        if state == STOPPED:
            record = None
        clixml = records.pipeline_state(state, record, hresult=self._hresult)
        self.outbox.finish(self._head.message(MessageType.PIPELINE_STATE, clixml))

    def stop(self) -> None:
        """The client's Ctrl+C: the engine is told, and its next write raises."""
        self._stopped.set()
        self.input.end(discard=True)
        self.outbox.stop()

    def close(self) -> None:
        """Stop, and forget all output."""
        self.stop()
        self.outbox.close()
