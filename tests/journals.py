"""Records of a journal, as tests need them."""

from __future__ import annotations

from typing import Any

from sitekeeper.engine.journal.records import Intent, RunBegun


def run_begun(run: str, **more: Any) -> RunBegun:
    given: dict[str, Any] = {
        "playbook": "p.yml",
        "inventory": "hosts.yml",
        "check": False,
        "limit": None,
        "extra": {},
        "texts": {},
        "version": "9.9",
        "hosts": {},
    }
    return RunBegun(run=run, **given | more)


def an_intent(name: str, module: str = "windows.service") -> Intent:
    return Intent(module=module, policy="failure", name=name, round="", intent={})
