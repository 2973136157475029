"""What waits to be fetched by Receive: whole messages, cut into fragments only as they leave.

A pool has one outbox and every pipeline has one of its own. An outbox is bounded, so that a slow client slows the
engine down and does not fill the server's memory.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from .messages import FRAGMENT_HEADER, FRAGMENT_PAYLOAD, fragment

LIMIT: Final = 8 * 1024 * 1024
"""Bytes that may wait in one outbox; a single message may be bigger, but then it waits alone."""
STREAM_MARKUP: Final = 96
"""Characters of ``<rsp:Stream Name="stdout" CommandId="...">`` and its end, around one fragment."""


class PipelineStopped(Exception):  # noqa: N818  PowerShell's own word for it
    """Raised in the engine's thread when it writes after the client stopped the pipeline."""


class OutboxClosed(Exception):  # noqa: N818  a state, told to whoever waits
    """The shell or command was closed while a Receive was waiting."""


class Superseded(Exception):  # noqa: N818  a state, told to whoever waits
    """Another Receive came for the same outbox, or the waiting client is gone."""


@dataclass(slots=True)
class _Waiting:
    object_id: int
    data: bytes
    ends_answer: bool
    offset: int = 0
    number: int = 0


@dataclass(frozen=True, slots=True)
class Taken:
    """The fragments for one answer, and whether nothing comes after them."""

    fragments: tuple[bytes, ...]
    done: bool


class Outbox:
    """Thread-safe: one writer (engine or protocol), any number of Receives of which the newest is served."""

    def __init__(self, next_object_id: Callable[[], int], limit: int = LIMIT) -> None:
        self._next_object_id = next_object_id
        self._limit = limit
        self._changed = threading.Condition()
        self._queue: deque[_Waiting] = deque()
        self._size = 0
        self._done = False
        self._closed = False
        self._stopped = False
        self._turn = 0
        self.peak = 0
        """The most bytes that ever waited."""

    def put(self, message: bytes, *, force: bool = False, ends_answer: bool = False) -> None:
        """Queue a message; waits while the outbox is full, unless ``force``.

        Raises:
            PipelineStopped: the pipeline was stopped, or its shell closed.

        """
        with self._changed:
            while not force and self._size >= self._limit and not self._stopped:
                self._changed.wait()
            if self._stopped and not force:
                raise PipelineStopped
            self._queue.append(_Waiting(self._next_object_id(), message, ends_answer))
            self._size += len(message)
            self.peak = max(self.peak, self._size)
            self._changed.notify_all()

    def finish(self, message: bytes) -> None:
        """Queue the last message; after it the answer says Done."""
        with self._changed:
            self._done = True
            self.put(message, force=True)

    def stop(self) -> None:
        """Make every further :meth:`put` raise; what waits already can still be fetched."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def close(self) -> None:
        """Drop everything and wake whoever waits."""
        with self._changed:
            self._stopped = self._closed = True
            self._queue.clear()
            self._size = 0
            self._changed.notify_all()

    def take(
        self, timeout: float, room: int, enough: int, alive: Callable[[], bool], look_every: float = 1.0
    ) -> Taken | None:
        """The fragments for one answer; None if nothing came within ``timeout`` seconds.

        An answer ends before it is longer than ``room`` characters, and after ``enough`` bytes.

        ``alive`` is asked before anything is handed out and every ``look_every`` seconds: what a client that is gone
        would have swallowed stays for the next one.

        Raises:
            OutboxClosed: the shell or command was closed meanwhile.
            Superseded: a newer Receive came, or the client is gone.

        """
        deadline = time.monotonic() + timeout
        with self._changed:
            self._turn += 1
            turn = self._turn
            self._changed.notify_all()
            while True:
                if self._closed:
                    raise OutboxClosed
                if turn != self._turn:
                    raise Superseded
                if self._queue or self._done:
                    if not alive():
                        raise Superseded
                    taken = Taken(tuple(self._cut(room, enough)), done=self._done and not self._queue)
                    self._changed.notify_all()
                    return taken
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                self._changed.wait(min(left, look_every))
                if left > look_every and not self._queue and not alive():
                    raise Superseded

    def _cut(self, room: int, enough: int) -> list[bytes]:
        fragments: list[bytes] = []
        taken = 0
        while self._queue and taken < enough:
            head = self._queue[0]
            left = len(head.data) - head.offset
            size = min(left, FRAGMENT_PAYLOAD)
            if _length(size) > room:
                if fragments:
                    break
                size = max((room - STREAM_MARKUP) // 4 * 3 - FRAGMENT_HEADER.size, 1)  # a tiny envelope
            piece = memoryview(head.data)[head.offset : head.offset + size]
            fragments.append(fragment(head.object_id, head.number, piece, last=size == left))
            taken += size + FRAGMENT_HEADER.size
            room -= _length(size)
            head.offset += size
            head.number += 1
            self._size -= size
            if size == left:
                self._queue.popleft()
                if head.ends_answer:
                    break
        return fragments


def _length(payload: int) -> int:
    """How many characters a fragment takes in an answer: base64 and its markup."""
    return (payload + FRAGMENT_HEADER.size + 2) // 3 * 4 + STREAM_MARKUP
