"""The twin of Measure-SkWorkFile.ps1."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from sitekeeper_lab.engines.api import PsObject
from sitekeeper_lab.functions.shared.twin import Call, PSInt64, custom, text, thrown, twin
from sitekeeper_lab.functions.shared.work import folder_of, real

SHA256 = "8302f52d7497006e94b916c89a74ee728cd15125177d7c4cd0b78cfc293f748e"


def run(call: Call) -> Iterator[PsObject]:
    """Length and SHA-256 of files of the run's folder. No lab file is so large that it needs a sign of life."""
    run_id = text(call, "Run")
    for name in call.bound.texts("Name") or []:
        if not run_id or not name:
            raise thrown("SkInvalidName")
        file = real(call, folder_of(call, run_id, name))
        if file.is_file():
            with file.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").digest()
            yield custom(Name=name, Length=PSInt64(file.stat().st_size), Sha256=digest)


TWIN = twin("Measure-SkWorkFile", SHA256, run, Root="string", Run="string", Name="string[]")
