"""Messages out of fragments: whole ones, in any cut, and never half of one."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sitekeeper.transport.psrp.fragments import PIPELINE_OUTPUT, FragmentGapError, Joiner

PLAIN = settings(deadline=None, database=None)


def message(data: bytes, *, bom: bool = True) -> bytes:
    return struct.pack("<II16s16s", 1, PIPELINE_OUTPUT, b"p" * 16, b"q" * 16) + (b"\xef\xbb\xbf" if bom else b"") + data


def cut(data: bytes, object_id: int, size: int) -> list[bytes]:
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    last = len(pieces) - 1
    return [
        struct.pack(">QQBI", object_id, n, (n == 0) | (n == last) << 1, len(piece)) + piece
        for n, piece in enumerate(pieces)
    ]


@PLAIN
@given(st.lists(st.binary(max_size=200), max_size=5), st.integers(1, 90), st.integers(1, 4), st.booleans())
def test_any_cut(contents: list[bytes], size: int, together: int, bom: bool) -> None:
    contents = [b"<" + one for one in contents]  # what is sent begins with an element, never with a mark of its own
    sent = [part for number, one in enumerate(contents) for part in cut(message(one, bom=bom), number, size)]
    joiner = Joiner()
    found = [
        whole.data for at in range(0, len(sent), together) for whole in joiner.feed(b"".join(sent[at : at + together]))
    ]
    assert found == contents


def test_two_messages_that_are_mixed() -> None:
    one, two = cut(message(b"<one>"), 1, 30), cut(message(b"<two>"), 2, 30)
    assert [whole.data for whole in Joiner().feed(one[0] + two[0] + one[1] + two[1])] == [b"<one>", b"<two>"]


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_missing_fragment(missing: int) -> None:
    sent = cut(message(b"x" * 100), 1, 40)
    del sent[missing]
    with pytest.raises(FragmentGapError):
        Joiner().feed(b"".join(sent))


def test_an_answer_that_was_cut_off_anywhere() -> None:
    sent = cut(message(b"x" * 30), 1, 1000)[0]
    for length in range(1, len(sent)):
        with pytest.raises(FragmentGapError):
            Joiner().feed(sent[:length])
