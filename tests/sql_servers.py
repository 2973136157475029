"""The lab's SQL Server, served on loopback for a test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sitekeeper_lab.sql.server import TdsServer


@contextmanager
def collect_servers() -> Iterator[list[TdsServer]]:
    """A list of servers that are stopped at the end; afterwards no thread is left."""
    before = threading.active_count()
    running: list[TdsServer] = []
    yield running
    for server in running:
        server.stop()
        server.instance.close()
    assert threading.active_count() == before
