"""Lists for people and for machines."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from rich.markup import escape

from sitekeeper.report.screen import plain_table, screen_of


def show(rows: Sequence[dict[str, Any]], columns: Sequence[str], *, as_json: bool, empty: str) -> None:
    """Print rows as one JSON array, or as a table with these columns."""
    if as_json:
        print(json.dumps(list(rows), indent=2, default=str))
        return
    if not rows:
        print(empty)
        return
    table = plain_table()
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(escape("" if row.get(column) is None else str(row[column])) for column in columns))
    screen_of(sys.stdout).print(table)
