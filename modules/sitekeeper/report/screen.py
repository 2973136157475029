"""Where text for people goes: as wide as the terminal, and as wide as a table needs where there is none."""

from __future__ import annotations

from typing import IO

from rich import box
from rich.console import Console
from rich.table import Table

NO_TERMINAL_WIDTH = 200


def screen_of(out: IO[str]) -> Console:
    """A rich console for a stream."""
    return Console(file=out, highlight=False, soft_wrap=True, width=None if out.isatty() else NO_TERMINAL_WIDTH)


def plain_table(title: str | None = None) -> Table:
    """A table without a frame: it survives being copied, and long cells fold instead of losing their ends."""
    return Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)


def natural_width(screen: Console, table: Table) -> int:
    """How wide a table is that breaks no cell."""
    return screen.measure(table, options=screen.options.update(max_width=_BOUNDLESS)).maximum


def show_table(screen: Console, table: Table) -> None:
    """Print a table; where there is no terminal, a line a row, without blanks at its end.

    On a terminal that is narrower than the longest words, its lines go on in the next line: no word is broken.
    """
    wide = screen_of(screen.file)
    if screen.is_terminal:
        wide.width = max(screen.width, wide.measure(table, options=wide.options.update(max_width=_BOUNDLESS)).minimum)
        wide.print(table)
        return
    wide.width = natural_width(wide, table)
    with wide.capture() as told:
        wide.print(table)
    screen.file.write("".join(f"{line.rstrip()}\n" for line in told.get().splitlines()))


_BOUNDLESS = 100_000
