"""Where text for people goes: as wide as the terminal, and as wide as a table needs where there is none."""

from __future__ import annotations

from typing import TextIO

from rich import box
from rich.console import Console
from rich.table import Table

NO_TERMINAL_WIDTH = 200


def screen_of(out: TextIO) -> Console:
    """A rich console for a stream."""
    return Console(file=out, highlight=False, soft_wrap=True, width=None if out.isatty() else NO_TERMINAL_WIDTH)


def plain_table(title: str | None = None) -> Table:
    """A table without a frame: it survives being copied, and long cells fold instead of losing their ends."""
    return Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
