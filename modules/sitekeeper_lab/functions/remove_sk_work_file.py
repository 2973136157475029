"""The twin of Remove-SkWorkFile.ps1."""

from __future__ import annotations

from collections.abc import Iterator

from sitekeeper_lab.functions.shared.twin import Call, text, thrown, twin
from sitekeeper_lab.functions.shared.work import folder_of, real

SHA256 = "d378ada5454da4de404c48f88991b453cda0eb091f1159eaa989b32f784bc79e"


def run(call: Call) -> Iterator[object]:
    """Deletes files of the run's folder, or all of them, and the folder once it is empty."""
    run_id = text(call, "Run")
    if not run_id:
        raise thrown("SkInvalidRun")
    path = folder_of(call, run_id)
    folder = real(call, path)
    if not folder.is_dir():
        return
    names = call.bound.texts("Name") or []
    if not all(names):
        raise thrown("SkInvalidName")
    files = [real(call, folder_of(call, run_id, name)) for name in names]
    host = call.host
    with host.io_lock:
        for file in files or [one for one in folder.iterdir() if one.is_file()]:
            file.unlink(missing_ok=True)
        if not any(folder.iterdir()):
            folder.rmdir()
        host.audit.write("change", host.name, kind="folder", what=path, to="deleted")
    yield from ()


TWIN = twin("Remove-SkWorkFile", SHA256, run, Root="string", Run="string", Name="string[]")
