"""The twin of Complete-SkTaskBackup.ps1."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from sitekeeper_lab.engines.api import PsObject
from sitekeeper_lab.functions.shared.task import is_folder, move
from sitekeeper_lab.functions.shared.twin import Call, text, thrown, twin, value_of

SHA256 = "565d692a50843e21cf0ebf9c45e357c11dae7017cbc9bea7c6ff9904a96ff1dd"


def run(call: Call) -> Iterator[PsObject]:
    """The backup that was put aside is back in its place, or goes."""
    drive, run_id, keep, host = text(call, "Drive"), text(call, "Run"), text(call, "Keep"), call.host
    if keep not in {"new", "previous"}:
        raise thrown("SkInvalidKeep")
    found = call.function("Get-SkTaskMark", Drive=drive, Run=run_id)
    if not found:
        return
    mark = {name: value_of(found[0], name) for name in found[0].extended}
    if not mark["HasRoot"]:
        raise thrown("SkNoDestination")
    doomed: list[str] = []
    if keep == "previous":
        if mark["HasArchive"]:
            if mark["HasFolder"]:
                if mark["HasRejected"]:
                    raise thrown("SkRejectedExists")
                move(call, mark["Folder"], mark["Rejected"])
            move(call, mark["Archive"], mark["Folder"])
        if is_folder(call, mark["Rejected"]):
            doomed.append(mark["Rejected"])
    else:
        if not mark["HasFolder"]:
            raise thrown("SkNoBackup")
        begins = f"{mark['Site']}Backup.sk-".lower()
        doomed += [
            f"{mark['Root']}\\{one.name}"
            for one in host.files.resolve(mark["Root"]).iterdir()
            if one.name.lower().startswith(begins) and one.is_dir() and not one.is_symlink()
        ]
    with host.io_lock:
        for one in doomed:
            shutil.rmtree(host.files.resolve(one))
            host.audit.write("change", host.name, kind="folder", what=one, to="deleted")
    yield from call.function("Get-SkTaskMark", Drive=drive, Run=run_id)


TWIN = twin("Complete-SkTaskBackup", SHA256, run, Drive="string", Run="string", Keep="string")
