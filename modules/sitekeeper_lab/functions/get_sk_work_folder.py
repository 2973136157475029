"""The twin of Get-SkWorkFolder.ps1."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sitekeeper_lab.functions.shared.twin import Call, text, thrown, twin

SHA256 = "267176a7d9f3b9bdd39c0b3bc5b6fd98481c513ab6b52e5a68d3b2a0a99527cf"

_ROOT = re.compile(r'[A-Za-z]:(\\[^\\/:*?"<>|\x00-\x1f]*[^\\/:*?"<>|\x00-\x1f. ])+')
_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_. $()-]{0,126}[A-Za-z0-9_$()])?")
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|\Z)", re.IGNORECASE)
_MARKER = "sitekeeper-work.txt"


def run(call: Call) -> Iterator[str]:
    """A run's folder, or a file in it, below a folder that holds the operator's marker file."""
    root, run_id, name = text(call, "Root"), text(call, "Run"), text(call, "Name")
    if not _ROOT.fullmatch(root):
        raise thrown("SkInvalidRoot")
    path = call.one("Get-SkNative", Path=root)
    host = call.host
    if not (host.exists(f"{path}\\{_MARKER}") and host.files.resolve(f"{path}\\{_MARKER}").is_file()):
        raise thrown("SkNoMarker")
    words = []
    if run_id:
        if not re.fullmatch(r"[0-9a-z][0-9a-z-]{0,63}", run_id):
            raise thrown("SkInvalidRun")
        words.append(run_id)
    if name:
        if not run_id or not _NAME.fullmatch(name) or _DEVICE.match(name):
            raise thrown("SkInvalidName")
        words.append(name)
    for word in words:
        path = f"{path}\\{word}"
        if host.exists(path) and host.files.resolve(path).is_symlink():
            raise thrown("SkLinkInPath")
    yield path


TWIN = twin("Get-SkWorkFolder", SHA256, run, Root="string", Run="string", Name="string")
