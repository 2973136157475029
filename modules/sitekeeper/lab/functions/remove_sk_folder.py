"""The twin of Remove-SkFolder.ps1."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from sitekeeper.lab.functions._twin import Call, text, thrown, twin

SHA256 = "30da8e59181460f30c3e42dc5bff721c3373e079934d7e207aa566c355ad8513"


def run(call: Call) -> Iterator[object]:
    """Deletes one named part of the run's work folder; a link is removed, never followed."""
    run_id, name = text(call, "Run"), text(call, "Name")
    if not run_id or not name:
        raise thrown("SkInvalidName")
    folder = call.function("Get-SkFolder", Drive=text(call, "Drive"), Run=run_id, Name=name)[0]
    host = call.host
    if not host.exists(folder):
        return
    with host.io_lock:
        _delete(host.files.resolve(folder))
    host.audit.write("change", host.name, kind="folder", what=folder, to="deleted")
    yield from ()


def _delete(folder: Path) -> None:
    for entry in list(os.scandir(folder)):
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            _delete(path)
        else:
            path.unlink()
    folder.rmdir()


TWIN = twin("Remove-SkFolder", SHA256, run, Drive="string", Run="string", Name="string")
