"""The twin of Write-SkShadowList.ps1."""

from __future__ import annotations

from collections.abc import Iterator

from sitekeeper.lab.functions._twin import Call, text, twin

SHA256 = "1938d4d801a65e5b71b029401b21b3acf4afdb4e260e4d3e31164801c986949d"


def run(call: Call) -> Iterator[object]:
    """Writes down the volumes, and the copies that are there already."""
    lines = [f"volume {volume}" for volume in call.bound.texts("Volume") or [] if volume]
    lines += [f"copy {{{copy.id.upper()}}}" for copy in call.host.machine.shadows]
    folder = call.one("Get-SkFolder", Drive=text(call, "Drive"), Run=text(call, "Run"), Name="shadow")
    call.host.write(f"{folder}\\before.txt", "".join(f"{line}\r\n" for line in lines).encode("ascii"))
    yield from ()


TWIN = twin("Write-SkShadowList", SHA256, run, Drive="string", Run="string", Volume="string[]")
