"""Listings of a shadow copy."""

from __future__ import annotations

import pytest

from sitekeeper.engine.errors import IntegrityError
from sitekeeper.store.pulling.tree import entries


def test_kinds_times_and_attributes() -> None:
    found = list(entries(["D\t0\t5\t16\tSMS\nF\t9\t6\t33\tSMS\\a b.txt", "L\t0\t7\t1040\tSMS\\link"]))
    assert [(one.kind, one.size, one.modified, one.attributes, one.path) for one in found] == [
        ("folder", 0, 5, 16, "SMS"),
        ("file", 9, 6, 33, "SMS\\a b.txt"),
        ("link", 0, 7, 1040, "SMS\\link"),
    ]


def test_what_cannot_be_read_ends_it_by_name() -> None:
    with pytest.raises(IntegrityError, match=r"cannot list SMS\\deep in the shadow copy: PathTooLongException") as told:
        list(entries(["E\t0\t0\t0\tSMS\\deep\tPathTooLongException"]))
    assert "260" in str(told.value.hint)


@pytest.mark.parametrize("line", ["", "F\t1", "F\tx\t0\t0\tp", "X\t0\t0\t0\tp"])
def test_nonsense_is_refused(line: str) -> None:
    with pytest.raises(IntegrityError, match="cannot be read"):
        list(entries([line]))


def test_a_whole_volume_is_listed_without_the_folders_of_windows_itself() -> None:
    lines = [
        "D\t0\t0\t16\t",
        "D\t0\t0\t22\tSystem Volume Information",
        "E\t0\t0\t0\tSystem Volume Information\tUnauthorizedAccessException",
        "D\t0\t0\t22\t$RECYCLE.BIN\\S-1-5-18",
        "F\t1\t0\t0\tauth\\System Volume Information",
    ]
    assert [one.path for one in entries(lines, whole_volume=True)] == ["", "auth\\System Volume Information"]
    with pytest.raises(IntegrityError):
        list(entries(lines))
