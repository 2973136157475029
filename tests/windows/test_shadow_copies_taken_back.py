"""Taking shadow copies back from hosts that are still making them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from sitekeeper.engine.errors import BusyError, UndoError
from sitekeeper.windows.snapshot import Snapshot


def _undone(busy: str) -> None:
    """Undo a set over a site server and its database host, of which one is busy."""

    def host(name: str) -> Any:
        def change(*_: Any, **__: Any) -> None:
            if name == busy:
                raise BusyError("somebody else is changing this host just now", host=name)

        lease = SimpleNamespace(take=lambda: None, give_back=lambda: None)
        return SimpleNamespace(host=name, lease=lease, ps=SimpleNamespace(change=change), of=host)

    intent: Any = SimpleNamespace(hosts=[SimpleNamespace(host=name, drive="C") for name in ("SQL1", "PR1")], run="r1")
    Snapshot().undo(host("PR1"), intent, None)


def test_the_site_server_is_waited_for_by_whoever_takes_back() -> None:
    with pytest.raises(BusyError):
        _undone("PR1")


def test_another_host_keeps_no_site_down() -> None:
    with pytest.raises(UndoError, match="shadow copies may still exist"):
        _undone("SQL1")
