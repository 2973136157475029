"""``sitekeeper backups files``: the files of sets."""

from __future__ import annotations

import argparse
from pathlib import Path

from sitekeeper.cli.backups.looking import entries_of
from sitekeeper.cli.common import table
from sitekeeper.store.format.store_folder import Folder


def files(options: argparse.Namespace) -> int:
    """The files of sets, as they were on the host and as they are in the set."""
    store = Folder(Path(options.store))
    rows = [row for name in options.sets for row in entries_of(store.find(name), options.identity, options.files)]
    table.show(rows, ("set", "file", "kind", "size", "sha256"), as_json=options.json, empty="no files")
    return 0
