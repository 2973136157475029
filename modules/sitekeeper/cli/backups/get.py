"""``sitekeeper backups get``: writes a set's files, checked, into a new folder."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from sitekeeper.cli.backups.looking import open_with_identity
from sitekeeper.engine.clock import SystemClock
from sitekeeper.engine.errors import UsageError
from sitekeeper.store.format import catalogue
from sitekeeper.store.format.store_folder import Folder
from sitekeeper.store.keeping import extract


def get(options: argparse.Namespace) -> int:
    """All of it, each byte checked, or nothing."""
    store = Folder(Path(options.store))
    to = Path(options.to).expanduser().absolute()
    if to.resolve().is_relative_to(store.root.resolve()):
        raise UsageError(f"{to} is inside of the store", hint="name a folder elsewhere")
    extract.refuse_full(to)
    choice = catalogue.find(store, options.set, options.kind)
    found = open_with_identity(choice.folder, options.identity)
    entries = extract.chosen(found.manifest, options.files)
    extract.refuse_damaged(found, entries, SystemClock().now().isoformat(), read=False)
    extract.take_out(found, entries, to)
    files = [entry for entry in entries if entry.kind == "file"]
    row: dict[str, Any] = {
        "id": found.manifest.id,
        "folder": str(to),
        "files": len(files),
        "bytes": sum(entry.size for entry in files),
        "feeds": list(found.manifest.feeds),
        "passed_over": list(choice.passed_over),
    }
    if options.json:
        print(json.dumps(row, indent=2))
    else:
        print(f"{row['id']}: {row['files']} files, {row['bytes']} bytes, each checked, in {to}")
        print(f"feeds: {'; '.join(found.manifest.feeds)}")
        for one in choice.passed_over:
            print(f"note: skipped: {one}")
    return 0
