"""The twin of Open-SkLock.ps1."""

from __future__ import annotations

from collections.abc import Iterator

from sitekeeper_lab.functions.shared.twin import Call, text, twin

SHA256 = "27c7b74f6b882c85f524396713c328d72f1580529f2d0fec52e9715bcc67bc12"

_SECONDS = 10.0
_STEP = 0.05


def run(call: Call) -> Iterator[bool]:
    """Opens the host's one lock for this session alone; answers whether it was had."""
    if call.session.lock is not None:
        yield True
        return
    host, clock = call.host, call.host.clock
    root = call.one("Get-SkFolder", Drive=text(call, "Drive"))
    file = f"{root}\\lease.lock"
    until = clock.monotonic() + _SECONDS
    while True:
        if host.exists(root) and host.lock_file(file):
            call.session.lock = file
            yield True
            return
        with clock.changed:
            if clock.monotonic() >= until or call.sink.stopped.is_set():
                yield False
                return
            clock.changed.wait(_STEP)


TWIN = twin("Open-SkLock", SHA256, run, Drive="string")
