"""The twin of Measure-SkInbox.ps1."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sitekeeper_lab.engines.api import PsObject
from sitekeeper_lab.functions.shared.twin import Call, PSInt64, check_path, custom, text, thrown, twin

SHA256 = "262abaa5d690b965f926906defd0d98c314218c494e37fa22b03f4e3b7589d9e"


def run(call: Call) -> Iterator[PsObject]:
    """How many files wait in each inbox, and how long the component manager's log is."""
    drive, path = text(call, "Drive"), text(call, "Path")
    if not re.search(r"^[A-Z]$", drive):
        raise thrown("SkInvalidDrive")
    check_path(path)
    start = f"{drive}:\\{path}"
    counts = []
    if call.host.exists(f"{start}\\inboxes"):
        boxes = call.host.files.resolve(f"{start}\\inboxes")
        found = sorted((box for box in boxes.iterdir() if box.is_dir()), key=lambda box: box.name.upper())
        counts = [f"{box.name}\t{sum(not file.is_dir() for file in box.iterdir())}" for box in found]
    log = 0
    if call.host.exists(f"{start}\\logs\\sitecomp.log"):
        log = call.host.files.resolve(f"{start}\\logs\\sitecomp.log").stat().st_size
    yield custom(Inboxes="\n".join(counts), Log=PSInt64(log))


TWIN = twin("Measure-SkInbox", SHA256, run, Drive="string", Path="string")
