"""The twin of Save-SkTaskBackup.ps1."""

from __future__ import annotations

from collections.abc import Iterator

from sitekeeper_lab.engines.api import PsObject
from sitekeeper_lab.functions.shared.task import is_destination, move, refuse_links
from sitekeeper_lab.functions.shared.twin import Call, text, thrown, twin, value_of

SHA256 = "a0f224eb0900ac1694f032ccbcb5e692e40a4da900c62b5c44e8cdb642983492"


def run(call: Call) -> Iterator[PsObject]:
    """Puts the previous backup of the site's task aside, under the run's name."""
    drive, run_id, site, host = text(call, "Drive"), text(call, "Run"), text(call, "Site"), call.host
    if not run_id:
        raise thrown("SkInvalidRun")
    place = call.one("Get-SkFolder", Drive=drive, Run=run_id, Name="task")
    call.function("Protect-SkFolder", Drive=drive)
    mark = call.function("Get-SkTaskMark", Drive=drive, Run=run_id)
    if not mark:
        found = [str(value_of(one, "Destination")) for one in call.function("Get-SkBackupTask", Site=site)]
        where = list({one.lower(): one for one in reversed(found)}.values())
        if len(where) != 1:
            raise thrown("SkNoDestination")
        if not is_destination(where[0]):
            raise thrown("SkInvalidDestination")
        host.make_folder(place)
        host.write(f"{place}\\mark.txt", f"site {site}\r\ndestination {where[0]}\r\n".encode("utf-16"))
        mark = call.function("Get-SkTaskMark", Drive=drive, Run=run_id)
    if value_of(mark[0], "Site") != site:
        raise thrown("SkInvalidMark")
    if not value_of(mark[0], "HasRoot"):
        raise thrown("SkNoDestination")
    folder = value_of(mark[0], "Folder")
    refuse_links(call, value_of(mark[0], "Root"), folder)
    if host.machine.services["SMS_SITE_BACKUP"].state != "Stopped":
        raise thrown("SkTaskRuns")
    if value_of(mark[0], "HasFolder") and not value_of(mark[0], "HasArchive") and value_of(mark[0], "Started") < 0:
        move(call, folder, value_of(mark[0], "Archive"))
    yield from call.function("Get-SkTaskMark", Drive=drive, Run=run_id)


TWIN = twin("Save-SkTaskBackup", SHA256, run, Drive="string", Run="string", Site="string")
