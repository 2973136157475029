"""Windows names as names in the store."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitekeeper.engine.errors import IntegrityError
from sitekeeper.store.format.names import LONGEST, make_stored_name, make_stored_path, relative_to

ANY_NAME = st.text(st.characters(exclude_categories=[]), max_size=300) | st.sampled_from(
    ["", ".", "..", "a/b", "_sk_x", "nul\0", "\ud800", "\ud800x", "é" * 200, "𐀀" * 255, "plain.txt", "trailing. "]
)


@given(ANY_NAME)
def test_a_stored_name_is_one_component_that_the_store_can_hold(name: str) -> None:
    stored = make_stored_name(name)
    assert stored not in {"", ".", ".."}
    assert "/" not in stored
    assert "\0" not in stored
    assert len(stored.encode()) <= LONGEST


@given(st.sets(ANY_NAME, max_size=40))
def test_no_two_names_become_one(names: set[str]) -> None:
    assert len({make_stored_name(name) for name in names}) == len(names)


@given(ANY_NAME)
def test_a_name_that_looks_like_ours_is_no_way_to_another_file(name: str) -> None:
    assert make_stored_name(make_stored_name(name)) == make_stored_name(name) or make_stored_name(name).startswith(
        "_sk_"
    )
    if make_stored_name(name) != name:
        assert make_stored_name(make_stored_name(name)) != make_stored_name(name)


@given(st.text(st.sampled_from("ab.\\/:\0\ud800"), max_size=12))
def test_no_path_leaves_its_folder(path: str) -> None:
    try:
        stored = make_stored_path("SiteServer", path)
    except IntegrityError:
        return
    parts = PurePosixPath(stored).parts
    assert parts[0] == "SiteServer"
    assert ".." not in parts


@pytest.mark.parametrize("path", ["..\\x", "a\\..\\..\\x", "\\x", "\\\\host\\share", "C:\\x", "c:x"])
def test_a_path_that_goes_upwards_is_refused(path: str) -> None:
    with pytest.raises(IntegrityError, match="outside"):
        make_stored_path("SiteServer", path)


def test_a_listing_is_held_to_the_folder_that_was_asked_for() -> None:
    assert relative_to("SMS", "sms\\Inboxes\\x") == "Inboxes\\x"
    assert relative_to("SMS", "SMS") == ""
    assert relative_to("", "SMS\\x") == "SMS\\x"
    for other in ("SMSX\\a", "Windows\\x", ""):
        with pytest.raises(IntegrityError, match="outside"):
            relative_to("SMS", other)
