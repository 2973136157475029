"""The twin of Get-SkTaskMark.ps1."""

from __future__ import annotations

from collections.abc import Iterator

from sitekeeper_lab.engines.api import PsObject
from sitekeeper_lab.functions.shared.task import SITE, is_destination, is_folder
from sitekeeper_lab.functions.shared.twin import Call, PSInt64, custom, text, thrown, twin

SHA256 = "fa79009dc3cd54b4a4fbcc79c9412a9d9633d6a3489cb82a9d69ef7a669782f5"


def run(call: Call) -> Iterator[PsObject]:
    """What this run wrote down of the site's backup task, and which of its folders exist."""
    run_id = text(call, "Run")
    if not run_id:
        raise thrown("SkInvalidRun")
    place = call.one("Get-SkFolder", Drive=text(call, "Drive"), Run=run_id, Name="task")
    if not call.host.exists(f"{place}\\mark.txt"):
        return
    site = destination = ""
    for line in call.host.read(f"{place}\\mark.txt").decode("utf-16").replace("\r", "").split("\n"):
        word, _, rest = line.partition(" ")
        if word.lower() == "site":
            site = rest
        if word.lower() == "destination":
            destination = rest
    if not SITE.fullmatch(site) or not is_destination(destination):
        raise thrown("SkInvalidMark")
    started = 0 if call.host.exists(f"{place}\\starting.txt") else -1
    if started == 0 and call.host.exists(f"{place}\\started.txt"):
        started = int(call.host.read(f"{place}\\started.txt"))
    root = call.one("Get-SkNative", Path=destination)
    folder = f"{root}\\{site}Backup"
    archive = f"{folder}.sk-{run_id}"
    rejected = f"{archive}.rejected"
    yield custom(
        Site=site,
        Destination=destination,
        Root=root,
        Folder=folder,
        Archive=archive,
        Rejected=rejected,
        Started=PSInt64(started),
        HasRoot=is_folder(call, root),
        HasFolder=is_folder(call, folder),
        HasArchive=is_folder(call, archive),
        HasRejected=is_folder(call, rejected),
    )


TWIN = twin("Get-SkTaskMark", SHA256, run, Drive="string", Run="string")
