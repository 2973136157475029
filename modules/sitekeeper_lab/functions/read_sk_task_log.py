"""The twin of Read-SkTaskLog.ps1."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sitekeeper_lab.engines.api import PsObject
from sitekeeper_lab.functions.shared.twin import Call, PSInt64, check_path, custom, number, text, thrown, twin

SHA256 = "f3744437177df64d0be31389b2c3a4abbc523ac3d5b6a1d633f38d8246aa397e"
_BLOCK = 65536


def run(call: Call) -> Iterator[PsObject]:
    """The log of the site's backup task from an offset on."""
    drive, path, at = text(call, "Drive"), text(call, "Path"), number(call, "Offset")
    if not re.search(r"^[A-Z]$", drive):
        raise thrown("SkInvalidDrive")
    check_path(path)
    start = call.one("Get-SkNative", Path=f"{drive}:\\{path}")
    file = f"{start}\\logs\\smsbkup.log"
    data = call.host.read(file) if call.host.exists(file) else b""
    if at > len(data) and call.host.exists(file):
        at = 0
    told = data[at : at + _BLOCK].decode("ascii", "replace").replace("\ufffd", "?") if at >= 0 else ""
    yield custom(Length=PSInt64(len(data)), From=PSInt64(at), Text=told)


TWIN = twin("Read-SkTaskLog", SHA256, run, Drive="string", Path="string", Offset="long")
