"""The twin of Remove-SkStage.ps1."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from sitekeeper_lab.functions.shared.twin import Call, text, thrown, twin
from sitekeeper_lab.functions.shared.work import folder_of, real

SHA256 = "a4b60603ac1178f63d6526a2672b7cbc01fbb30c57d3dbe3b623a76db98622ee"


def run(call: Call) -> Iterator[str]:
    """Deletes all that a run has laid beside a site."""
    run_id = text(call, "Run")
    if not run_id:
        raise thrown("SkInvalidRun")
    path = folder_of(call, run_id)
    top = real(call, path)
    if top.is_dir():
        with call.host.io_lock:
            shutil.rmtree(top)
            call.host.audit.write("change", call.host.name, kind="folder", what=path, to="deleted")
    yield from ()


TWIN = twin("Remove-SkStage", SHA256, run, Root="string", Run="string")
