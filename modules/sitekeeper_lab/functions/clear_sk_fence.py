"""The twin of Clear-SkFence.ps1."""

from __future__ import annotations

from collections.abc import Iterator

from sitekeeper_lab.functions.shared.twin import Call, twin

SHA256 = "30ef5e01aadcdf06d72d85c01946f0b76f4f45191d41836dcbed0f17c64d27cb"


def run(call: Call) -> Iterator[object]:
    """Gives up the lock of this session; twice does no harm."""
    if call.session.lock is not None:
        call.host.unlock_file(call.session.lock)
        call.session.lock = None
    yield from ()


TWIN = twin("Clear-SkFence", SHA256, run)
