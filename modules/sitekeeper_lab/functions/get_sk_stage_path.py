"""The twin of Get-SkStagePath.ps1."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sitekeeper_lab.functions.shared.twin import Call, text, thrown, twin
from sitekeeper_lab.functions.shared.work import folder_of, real

SHA256 = "c26ebedfaa344f2142085d813e112f68476f4e2bca19f1819295f39b7add92b4"

_WORD = re.compile(r'[^/:*?"<>|\x00-\x1f]*[^/:*?"<>|\x00-\x1f. ]')
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|\Z)", re.IGNORECASE)


def run(call: Call) -> Iterator[str]:
    """A file or folder of what a run lays beside a site."""
    run_id = text(call, "Run")
    if not run_id:
        raise thrown("SkInvalidRun")
    path = folder_of(call, run_id)
    for word in text(call, "Path").split("\\"):
        if not _WORD.fullmatch(word) or _DEVICE.match(word):
            raise thrown("SkInvalidPath")
        path = f"{path}\\{word}"
        if call.host.exists(path) and real(call, path).is_symlink():
            raise thrown("SkLinkInPath")
    yield path


TWIN = twin("Get-SkStagePath", SHA256, run, Root="string", Run="string", Path="string")
