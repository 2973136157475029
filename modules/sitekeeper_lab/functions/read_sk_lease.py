"""The twin of Read-SkLease.ps1."""

from __future__ import annotations

from collections.abc import Iterator

from sitekeeper_lab.engines.api import PsObject
from sitekeeper_lab.functions.shared.twin import Call, PSInt64, custom, parse_round_trip, text, twin

SHA256 = "7382bf3039a72761d84f49faad1cd122dbed2d945239fd8afaf46d76b4428b31"


def run(call: Call) -> Iterator[PsObject]:
    """The lease as it is written down, or nothing."""
    file = call.one("Get-SkFolder", Drive=text(call, "Drive")) + "\\lease.txt"
    if not call.host.exists(file):
        return
    lines = call.host.read(file).decode("utf-8").replace("\r", "").split("\n")
    if len(lines) < 4:
        return
    yield custom(Run=lines[0], Owner=lines[1], Generation=PSInt64(int(lines[2])), Expires=parse_round_trip(lines[3]))


TWIN = twin("Read-SkLease", SHA256, run, Drive="string")
