"""The twin of Get-SkNative.ps1."""

from __future__ import annotations

from collections.abc import Iterator

from sitekeeper_lab.functions.shared.twin import Call, method_failed, text, twin

SHA256 = "a22d76539874fd21a5e86709682c7848935f7611c1a941a01c9ecc72aefd5783"


def run(call: Call) -> Iterator[str]:
    """A path of this host as .NET opens it: itself."""
    path = text(call, "Path")
    drive = path[:1]
    if path[1:2] == ":" and not any(volume.letter == f"{drive}:" for volume in call.host.machine.volumes):
        message = f"Cannot find drive. A drive with the name '{drive}' does not exist."
        raise method_failed(call, "GetUnresolvedProviderPathFromPSPath", 1, "DriveNotFoundException", message)
    yield path


TWIN = twin("Get-SkNative", SHA256, run, Path="string")
