"""A plugin for a run of pypsrp's own tests: leaves those that talk to a server when they are told of one."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    live = [item for item in items if _is_live(item)]
    config.hook.pytest_deselected(items=[item for item in items if not _is_live(item)])
    items[:] = live


def _is_live(item: pytest.Item) -> bool:
    # Their fixture's parameter is [may it be a real server, name of the recording]; their integration tests have another.
    call = getattr(item, "callspec", None)
    parameter = call.params.get("wsman_conn") if call is not None else None
    return bool(parameter and parameter[0]) or "functional_transports" in getattr(item, "fixturenames", ())
