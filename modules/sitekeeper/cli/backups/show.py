"""``sitekeeper backups show``: what a set is, which recoveries it is valid for, and what is not in it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from sitekeeper.cli.backups.looking import show_set
from sitekeeper.store.format.store_folder import Folder


def show(options: argparse.Namespace) -> int:
    """What a set is, what it can feed, and what is not in it."""
    store = Folder(Path(options.store))
    told: list[dict[str, Any]] = []
    for name in options.sets:
        data = show_set(store.find(name), options.identity)
        told.append(data)
        if options.json:
            continue
        for key, value in data.items():
            if key not in {"entries", "stored"}:
                text = value if not isinstance(value, dict | list) else json.dumps(value, ensure_ascii=False)
                print(f"{key}: {text}")
    if options.json:
        print(json.dumps(told if len(told) > 1 else told[0], indent=2))
    return 0
