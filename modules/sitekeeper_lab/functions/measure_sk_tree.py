"""The twin of Measure-SkTree.ps1."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator

from sitekeeper_lab.engines.api import PsObject
from sitekeeper_lab.functions.shared.twin import Call, PSInt64, check_path, custom, text, thrown, twin

SHA256 = "5e446e96a816484fa0c37bc1d5231b24b219fd4cba2d15e1f1d72b1aff864ea3"


def run(call: Call) -> Iterator[PsObject]:
    """Number and size of the files below a folder of the live site; reparse points are not followed."""
    drive, path = text(call, "Drive"), text(call, "Path")
    if not re.search(r"^[A-Z]$", drive):
        raise thrown("SkInvalidDrive")
    check_path(path)
    files = size = unread = 0
    todo = [str(call.host.files.resolve(f"{drive}:\\{path}"))]
    while todo:
        try:
            entries = os.scandir(todo.pop())
        except OSError:
            unread += 1
            continue
        with entries:
            for entry in entries:
                if entry.is_symlink():
                    continue
                if entry.is_dir():
                    todo.append(entry.path)
                else:
                    with contextlib.suppress(FileNotFoundError):  # gone since it was listed; .NET has it from the list
                        size += entry.stat().st_size
                    files += 1
    yield custom(Files=PSInt64(files), Bytes=PSInt64(size), Unread=PSInt64(unread))


TWIN = twin("Measure-SkTree", SHA256, run, Drive="string", Path="string")
