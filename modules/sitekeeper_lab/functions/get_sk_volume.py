"""The twin of Get-SkVolume.ps1."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sitekeeper_lab.functions.shared.twin import Call, text, thrown, twin

SHA256 = "ca625f0dbb2bfb12649bf04db5536e0b654aad0105989f3e6811254ec0e1b209"


def run(call: Call) -> Iterator[str]:
    """The mount name of a volume given by its id."""
    volume_id = text(call, "Id")
    if not re.search(r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", volume_id):
        raise thrown("SkInvalidVolume")
    for volume in call.host.machine.volumes:
        if volume.id == volume_id.strip().lower():
            yield volume.name
            return
    raise thrown("SkVolumeNotFound")


TWIN = twin("Get-SkVolume", SHA256, run, Id="string")
