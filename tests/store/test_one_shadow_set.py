"""A set belongs to one shadow copy set, also after a process was killed while it wrote that down."""

from __future__ import annotations

from pathlib import Path

import pytest

from sitekeeper.engine.errors import IntegrityError
from sitekeeper.store.format.entry_log import SHADOW_NAME, one_shadow_set


def test_two_are_never_mixed(tmp_path: Path) -> None:
    one_shadow_set(tmp_path, "{1}")
    one_shadow_set(tmp_path, "{1}")
    with pytest.raises(IntegrityError, match="never mixed"):
        one_shadow_set(tmp_path, "{2}")


def test_killed_while_it_was_written(tmp_path: Path) -> None:
    (tmp_path / f"{SHADOW_NAME}.new").write_text("{")
    one_shadow_set(tmp_path, "{1}")
    assert [file.name for file in tmp_path.iterdir()] == [SHADOW_NAME]
    with pytest.raises(IntegrityError):
        one_shadow_set(tmp_path, "{2}")
