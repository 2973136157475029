"""The twin of Measure-SkStage.ps1."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from sitekeeper_lab.functions.shared.twin import Call, text, thrown, twin
from sitekeeper_lab.functions.shared.work import folder_of, real

SHA256 = "020dc6fc0589729a8ea0c2a59457440ece97c5e1c6c204799bf087557f0a3b13"


def run(call: Call) -> Iterator[str]:
    """What a run has laid beside a site."""
    run_id = text(call, "Run")
    if not run_id:
        raise thrown("SkInvalidRun")
    top = real(call, folder_of(call, run_id))
    todo = [top] if top.is_dir() else []
    while todo:
        deeper = []
        for folder in todo:
            inside = [one for one in folder.iterdir() if not one.is_symlink()]
            deeper += [one for one in inside if one.is_dir()]
            for file in inside:
                if file.is_file():
                    data = file.read_bytes()
                    name = str(file.relative_to(top)).replace("/", "\\")
                    yield f"{len(data)}\t{hashlib.sha256(data).hexdigest().upper()}\t{name}"
        todo = deeper


TWIN = twin("Measure-SkStage", SHA256, run, Root="string", Run="string")
