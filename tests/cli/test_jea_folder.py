"""Where ``sitekeeper jea build`` cannot write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import Done


@pytest.mark.parametrize(
    ("make", "code", "told"),
    [
        (lambda at: at.touch(), 2, "Not a directory"),
        (lambda at: (at.mkdir(), (at / "x").touch()), 2, "is not empty"),
        (lambda at: at.symlink_to("/proc/nowhere"), 9, "cannot be written"),
    ],
    ids=["a file", "not empty", "a place that takes no folder"],
)
def test_is_told(sitekeeper: Callable[..., Done], place: Path, make: Any, code: int, told: str) -> None:
    out = place / "out"
    make(out)
    done = sitekeeper(
        "jea", "build", place / "play.yml", "-i", place / "hosts.yml", "-o", out, "--group", "LAB\\backup"
    )
    assert (done.code, done.out) == (code, "")
    assert str(out) in done.err
    assert told in done.err
