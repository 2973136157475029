"""``sitekeeper backups pin` and ``unpin``: which sets stay whatever the policy says."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from sitekeeper.cli.common import wiring
from sitekeeper.engine.clock import SystemClock
from sitekeeper.store.format import catalogue, marks_file
from sitekeeper.store.format.store_folder import Folder


def pin(options: argparse.Namespace) -> int:
    """Pinned sets never go."""
    seen = marks_file.PinMark(
        by=wiring.operator(), at=SystemClock().now().isoformat(timespec="seconds"), why=options.why
    )
    return _mark(options, seen)


def unpin(options: argparse.Namespace) -> int:
    """Back under the policy."""
    return _mark(options, None)


def _mark(options: argparse.Namespace, pinned: marks_file.PinMark | None) -> int:
    store = Folder(Path(options.store))
    folders = [store.find(name) for name in options.sets]
    for folder in folders:
        catalogue.own_folder(folder)
    rows = []
    for folder in folders:
        problem = marks_file.read(folder)[1]
        marks = marks_file.change(folder, lambda marks: marks.model_copy(update={"pinned": pinned}), anew=True)
        rows.append({"id": folder.name, "pinned": marks.pinned.model_dump() if marks.pinned else None, "lost": problem})
        if not options.json:
            print(f"{folder.name}: {'pinned' if pinned else 'not pinned'}")
            if problem:
                print(f"  note: {problem}; recreated")
    if options.json:
        print(json.dumps(rows, indent=2))
    return 0
