"""What the store modules answer."""

from __future__ import annotations

from typing import Any

from sitekeeper.engine.plan import Result


class Staging(Result):
    """A set that is being filled."""

    id: Any
    """Set id: site code and generation; known only after the lease is taken."""
    store: str
    folder: Any
    generation: Any = 0


class Pulled(Result):
    """What was pulled into a set."""

    files: Any = 0
    bytes: Any = 0
    seconds: float = 0.0

    def summary(self) -> dict[str, Any]:
        return {"bytes": self.bytes, "files": self.files}


class Published(Result):
    """A set that is in the store, whole."""

    id: Any
    folder: Any
    files: int = 0
    bytes: int = 0
    offline_seconds: float | None = None
    consistency: str = ""

    def summary(self) -> dict[str, Any]:
        return {
            "set": self.id,
            "folder": self.folder,
            "offline": self.offline_seconds,
            "bytes": self.bytes,
            "files": self.files,
        }
