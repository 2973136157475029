"""The twin of Write-SkShadowList.ps1."""

from __future__ import annotations

from collections.abc import Iterator

from sitekeeper_lab.functions.shared.twin import Call, text, twin

SHA256 = "5a7ed31cc31e6473f23b088efc373ca7cea4d635b32a94daf9d0b4cf6731cad1"


def run(call: Call) -> Iterator[object]:
    """Writes down the volumes, and the copies that are there already."""
    lines = [f"volume {volume}" for volume in call.bound.texts("Volume") or [] if volume]
    lines += [f"copy {{{copy.id.upper()}}}" for copy in call.host.machine.shadows]
    folder = call.one("Get-SkFolder", Drive=text(call, "Drive"), Run=text(call, "Run"), Name="shadow")
    call.host.write(f"{folder}\\before.txt", "".join(f"{line}\r\n" for line in lines).encode("ascii"))
    yield from ()


TWIN = twin("Write-SkShadowList", SHA256, run, Drive="string", Run="string", Volume="string[]")
