"""The stage of the other backups, with the playbook of ConfigMgr's own task."""

from __future__ import annotations

from tests.backup.conftest import stage

__all__ = ["stage"]
