"""Events as JSON lines: one object a line, as they happen."""

from __future__ import annotations

import json
from typing import TextIO

from sitekeeper.engine.events import Event


class JsonLines:
    """Writes every event."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def __call__(self, event: Event) -> None:
        """Write one event and let it go at once."""
        self._out.write(json.dumps(event.as_dict(), default=str) + "\n")
        self._out.flush()
