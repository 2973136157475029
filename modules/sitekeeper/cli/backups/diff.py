"""``sitekeeper backups diff``: how two sets differ."""

from __future__ import annotations

import argparse
from pathlib import Path

from sitekeeper.cli.backups.looking import differences, open_with_identity
from sitekeeper.cli.common import table
from sitekeeper.store.format.store_folder import Folder


def diff(options: argparse.Namespace) -> int:
    """Facts and files that differ between two sets; that they do is no failure."""
    store = Folder(Path(options.store))
    before, after = (open_with_identity(store.find(name), options.identity) for name in options.sets)
    if before.manifest.site != after.manifest.site and not options.json:
        print(f"of two sites: {before.manifest.site} and {after.manifest.site}")
    rows = differences(before, after)
    table.show(rows, ("what", "change", "before", "after"), as_json=options.json, empty="no difference")
    return 0
