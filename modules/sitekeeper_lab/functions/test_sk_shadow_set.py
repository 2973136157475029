"""The twin of Test-SkShadowSet.ps1."""

from __future__ import annotations

from collections.abc import Iterator

from sitekeeper_lab.engines.api import PsObject
from sitekeeper_lab.functions.shared.twin import Call, custom, text, twin

SHA256 = "907ce805ec5a8ea3b63b230a5b1a4a1fa8e7152a420ad06d3404314f5cf9082b"


def run(call: Call) -> Iterator[PsObject]:
    """Which of this run's shadow copies still exist."""
    folder = call.one("Get-SkFolder", Drive=text(call, "Drive"), Run=text(call, "Run"), Name="shadow")
    file = f"{folder}\\mark.txt"
    if not call.host.exists(file):
        return
    ids = {f"{{{copy.id}}}" for copy in call.host.machine.shadows}
    for line in call.host.read(file).decode("utf-8").replace("\r", "").split("\n"):
        word = line.split(" ")
        if word[0].lower() == "copy":
            yield custom(Index=int(word[1]), Id=word[3], Exists=word[3].lower() in ids)


TWIN = twin("Test-SkShadowSet", SHA256, run, Drive="string", Run="string")
