"""Shadow copies of a lab host: made at one instant, found again, dropped, and lost when their diff area runs over."""

from __future__ import annotations

from sitekeeper.lab.host import Host
from sitekeeper.lab.windows.model import ShadowCopy


class ShadowCopies:
    """The shadow copies of one host."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def create_one(self, volume: str, context: str) -> tuple[int, ShadowCopy | None]:
        """Win32_ShadowCopy.Create: (ReturnValue, the copy)."""
        raise NotImplementedError(volume, context)

    def delete(self, copy_id: str) -> bool:
        """Drop a copy; False if there is none of that id."""
        raise NotImplementedError(copy_id)
