"""The twin of Get-SkShadowRoot.ps1."""

from __future__ import annotations

from collections.abc import Iterator

from sitekeeper_lab.functions.shared.twin import Call, number, text, thrown, twin, value_of

SHA256 = "58db9ba5081b6d3f130a301d2bd92c2b1877e41de7d5f77c808428535c2871db"


def run(call: Call) -> Iterator[str]:
    """The folder through which copy number Index is read."""
    index = str(number(call, "Index"))
    if number(call, "Index") < 0:
        mark = call.function("Get-SkTaskMark", Drive=text(call, "Drive"), Run=text(call, "Run"))
        if not mark or not value_of(mark[0], "HasFolder"):
            raise thrown("SkNoBackup")
        yield value_of(mark[0], "Folder")
        return
    folder = call.one("Get-SkFolder", Drive=text(call, "Drive"), Run=text(call, "Run"), Name="shadow")
    file = f"{folder}\\mark.txt"
    if not call.host.exists(file):
        raise thrown("SkNoShadowSet")
    for line in call.host.read(file).decode("utf-8").replace("\r", "").split("\n"):
        word = line.split(" ")
        if word[0].lower() == "share" and word[1] == index:
            yield f"\\\\127.0.0.1\\{word[2]}$\\@GMT-{word[3]}"
            return
    root = f"{folder}\\{index}"
    if not call.host.files.resolve(root).is_dir():
        raise thrown("SkNoShadowSet")
    yield root


TWIN = twin("Get-SkShadowRoot", SHA256, run, Drive="string", Run="string", Index="int")
