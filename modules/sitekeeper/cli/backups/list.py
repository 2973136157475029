"""``sitekeeper backups list``: the sets of a store, a line each."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from sitekeeper.cli.common import table
from sitekeeper.engine.errors import IntegrityError
from sitekeeper.store.format import catalogue
from sitekeeper.store.format.store_folder import Folder


def list_sets(options: argparse.Namespace) -> int:
    """A line per set; one that is known to be damaged is listed as such and fails the command."""
    rows: list[dict[str, Any]] = []
    damaged = False
    for folder, found in catalogue.of(Folder(Path(options.store)), options.site):
        if isinstance(found, IntegrityError):
            damaged = True
            worth = "UNREADABLE" if catalogue.unreadable(folder) else "DAMAGED"
            rows.append({"id": folder.name, "site": folder.name[:3], "consistency": worth, "error": found.message})
            continue
        row = found.line()
        if found.doubt.startswith("damaged"):
            damaged = True
            row |= {"consistency": "DAMAGED", "error": found.doubt}
        rows.append(row)
    columns = (
        "id",
        "site",
        "kind",
        "taken_at",
        "version",
        "consistency",
        "files",
        "bytes",
        "offline_seconds",
        "notes",
        "feeds",
    )
    told = (
        rows
        if options.json
        else [row | {"notes": _notes(row), "feeds": "; ".join(row.get("feeds", ()))} for row in rows]
    )
    table.show(
        told,
        columns,
        as_json=options.json,
        empty=f"no sets in {options.store}",
        whole=("id", "site", "kind", "taken_at", "consistency"),
        spare=("feeds", "version", "offline_seconds", "files", "bytes", "notes"),
    )
    for row in () if options.json else rows:
        if row.get("error"):
            print(f"note: {row['error']}", file=sys.stderr)
    return IntegrityError.exit_code if damaged else 0


def _notes(row: dict[str, Any]) -> str:
    words = ["sealed"] if row.get("sealed") else []
    words += ["pinned"] if row.get("pinned") else []
    words += [f"drill {row['drilled']['result']}"] if row.get("drilled") else []
    words += [f"drill of its backup {row['backup_drilled']['result']}"] if row.get("backup_drilled") else []
    words += ["marks damaged"] if row.get("marks", "ok") != "ok" else []
    return ", ".join(words)
