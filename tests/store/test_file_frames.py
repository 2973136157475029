"""The stream of files, cut anywhere, and of hosts that lie."""

from __future__ import annotations

import hashlib
import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitekeeper.engine.errors import IntegrityError
from sitekeeper.store.pulling.frame_stream import Bytes, EndFrame, FileFrame, Frames, Unreadable

Item = bytes | str


def stream_of(items: list[Item], offset: int = 0) -> bytes:
    sent = b""
    for number, item in enumerate(items):
        if isinstance(item, str):
            reason = item.encode()
            sent += struct.pack("<iqi", number, -1, len(reason)) + reason
        else:
            body = item[offset:] if number == 0 else item
            sent += struct.pack("<iq", number, len(item)) + body + hashlib.sha256(item).digest()
    return sent


def read(frames: Frames, blocks: list[bytes]) -> list[Item]:
    found: list[Item] = []
    for block in blocks:
        for frame in frames.feed(block):
            match frame:
                case FileFrame():
                    found.append(b"")
                case Bytes(data):
                    last = found[-1]
                    assert isinstance(last, bytes)
                    found[-1] = last + bytes(data)
                case EndFrame(_, digest):
                    assert len(digest) == 32
                case Unreadable(_, reason):
                    found.append(reason)
    return found


def cut(sent: bytes, places: list[int]) -> list[bytes]:
    at = sorted({0, len(sent), *(place % (len(sent) + 1) for place in places)})
    return [sent[a:b] for a, b in pairwise(at)]


@given(
    st.lists(st.binary(max_size=60) | st.text("abcÄ", min_size=1, max_size=20), max_size=6),
    st.lists(st.integers(min_value=0), max_size=30),
)
def test_any_split_of_any_stream(items: list[Item], places: list[int]) -> None:
    frames = Frames()
    assert read(frames, cut(stream_of(items), places)) == items
    assert frames.between_files


@given(st.binary(min_size=1, max_size=80), st.integers(0, 80), st.lists(st.integers(min_value=0), max_size=8))
def test_a_stream_that_goes_on_in_the_middle(data: bytes, offset: int, places: list[int]) -> None:
    offset = min(offset, len(data))
    assert read(Frames(offset), cut(stream_of([data, b"next"], offset), places)) == [data[offset:], b"next"]


@given(st.binary(max_size=120))
def test_noise_never_hangs_and_never_reads_as_whole_by_accident(noise: bytes) -> None:
    try:
        read(Frames(), [noise])
    except IntegrityError:
        return


@pytest.mark.parametrize(
    "sent",
    [
        struct.pack("<iq", 1, 3),  # not the first file
        struct.pack("<iq", -1, 3),
        struct.pack("<iq", 0, -2),
        struct.pack("<iqi", 0, -1, -4),
        struct.pack("<iqi", 0, -1, 2**31 - 1),
        stream_of([b"a"]) + struct.pack("<iq", 0, 1),  # the same file again
    ],
)
def test_impossible_streams_are_refused(sent: bytes) -> None:
    with pytest.raises(IntegrityError, match="cannot be read"):
        read(Frames(), [sent])


def test_a_file_that_became_shorter_than_what_we_have_is_refused() -> None:
    with pytest.raises(IntegrityError, match="cannot be read"):
        read(Frames(10), [struct.pack("<iq", 0, 4)])
