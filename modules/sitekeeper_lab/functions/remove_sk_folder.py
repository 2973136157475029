"""The twin of Remove-SkFolder.ps1."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from sitekeeper_lab.functions.shared.twin import Call, text, thrown, twin

SHA256 = "7a682669991d5457554bbb6ef3e79df97e5a2537a4781649d1dacc31916ac933"


def run(call: Call) -> Iterator[object]:
    """Deletes one named part of the run's work folder; a link is removed, never followed."""
    run_id, name = text(call, "Run"), text(call, "Name")
    if not run_id or not name:
        raise thrown("SkInvalidName")
    folder = call.one("Get-SkFolder", Drive=text(call, "Drive"), Run=run_id, Name=name)
    host = call.host
    parent = folder.rpartition("\\")[0]
    with host.io_lock:
        if host.exists(folder):
            _delete(host.files.resolve(folder))
            host.audit.write("change", host.name, kind="folder", what=folder, to="deleted")
        if host.exists(parent) and not any(host.files.resolve(parent).iterdir()):
            host.files.resolve(parent).rmdir()
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
