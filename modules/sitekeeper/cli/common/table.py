"""Lists for people and for machines."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sitekeeper.report.screen import natural_width, plain_table, screen_of, show_table

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00")
"""In UTC, as all of ours are."""


def show(
    rows: Sequence[dict[str, Any]],
    columns: Sequence[str],
    *,
    as_json: bool,
    empty: str,
    whole: Sequence[str] = (),
    spare: Sequence[str] = (),
) -> None:
    """Print rows as one JSON array, or as a table with these columns.

    On a terminal the cells of ``whole`` are never broken; where that leaves too little room, columns of ``spare`` go, the first first.
    """
    if as_json:
        print(json.dumps(list(rows), indent=2, default=str))
        return
    if not rows:
        print(empty)
        return
    screen = screen_of(sys.stdout)
    shown = list(columns)
    gone: list[str] = []
    while screen.is_terminal and len(gone) < len(spare) and _wide(screen, _table(rows, shown, whole)):
        shown.remove(spare[len(gone)])
        gone.append(spare[len(gone)])
    show_table(screen, _table(rows, shown, whole))
    if gone:
        print(f"no room for: {', '.join(one.replace('_', ' ') for one in gone)} (--json has all)")


def _table(rows: Sequence[dict[str, Any]], columns: Sequence[str], whole: Sequence[str]) -> Table:
    table = plain_table()
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold", no_wrap=column in whole)
    for row in rows:
        table.add_row(*(escape(_cell(row.get(column))) for column in columns))
    return table


def _cell(value: Any) -> str:
    """A moment to the second, for people; anything else as it is."""
    text = "" if value is None else str(value)
    return text[:19] if _MOMENT.fullmatch(text) else text


def _wide(screen: Console, table: Table) -> bool:
    """Whether it does not fit without breaking a cell."""
    return natural_width(screen, table) > screen.width
