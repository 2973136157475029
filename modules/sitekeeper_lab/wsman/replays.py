"""The last answers, kept for a client that never got them and asks again with the same MessageID.

That Windows does this too is not confirmed by any recording.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

_SMALL_ANSWERS: Final = 256
Key = tuple[str, str]
"""(user, MessageID)"""


class Replays:
    """Answers by MessageID: the newest of every Receive queue, and a few hundred of everything else."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._small: OrderedDict[Key, bytes] = OrderedDict()
        self._receives: dict[str, dict[str, tuple[Key, bytes]]] = {}

    def find(self, key: Key, shell_id: str, command_id: str) -> bytes | None:
        """The answer that was given to this message."""
        with self._lock:
            last = self._receives.get(shell_id, {}).get(command_id)
            if last is not None and last[0] == key:
                return last[1]
            return self._small.get(key)

    def keep(self, key: Key, answer: bytes) -> None:
        """Keep a small answer."""
        with self._lock:
            self._small[key] = answer
            while len(self._small) > _SMALL_ANSWERS:
                self._small.popitem(last=False)

    def keep_receive(self, key: Key, shell_id: str, command_id: str, answer: bytes) -> None:
        """Keep the newest answer of a queue in place of the one before."""
        with self._lock:
            self._receives.setdefault(shell_id, {})[command_id] = key, answer

    def forget(self, shell_id: str, command_id: str | None = None) -> None:
        """A shell or command is gone."""
        with self._lock:
            if command_id is None:
                self._receives.pop(shell_id, None)
            else:
                self._receives.get(shell_id, {}).pop(command_id, None)
