"""The run for people: a line per task, live progress per site on a terminal, a summary table at the end."""

from __future__ import annotations

from typing import Any, NamedTuple, TextIO

from rich.live import Live
from rich.markup import escape
from rich.table import Table

from sitekeeper.engine import events
from sitekeeper.report.screen import plain_table, screen_of, show_table
from sitekeeper.report.standing import standing

_COLOURS = {
    "ok": "green",
    "changed": "yellow",
    "planned": "yellow",
    "skipped": "dim",
    "unknown": "dim",
    "failed": "red",
    "ignored": "magenta",
}
_QUIET_SECONDS = 5.0


class _Fact(NamedTuple):
    """A column of the summary, shown where any host has something for it."""

    key: str
    title: str
    unit: str

    def written(self, value: Any) -> str:
        if value is None:
            return ""
        return _seconds(value) if self.unit == "s" else _amount(value, "B") if self.unit == "B" else str(value)


_FACTS = (
    _Fact("offline", "offline", "s"),
    _Fact("files", "files", ""),
    _Fact("bytes", "size", "B"),
    _Fact("age_hours", "age (h)", ""),
    _Fact("restore_seconds", "restore", "s"),
    _Fact("mib_per_second", "MiB/s", ""),
    _Fact("predicted_seconds_of_all", "all of it", "s"),
)


class Console:
    """Listens to a run's events, live or read back from its journal."""

    def __init__(self, out: TextIO, *, diff: bool = False) -> None:
        self._screen = screen_of(out)
        self._diff = diff
        self._now: dict[str, str] = {}
        self._spoken: dict[str, float] = {}
        self._ended: list[events.HostEnded] = []
        self._shown: set[str] = set()
        self._live: Live | None = None
        if self._screen.is_terminal:
            self._live = Live(console=self._screen, refresh_per_second=4, transient=True)
            self._live.start()

    def close(self) -> None:
        """Give the terminal back."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def __call__(self, event: events.Event) -> None:
        """Show one event."""
        match event:
            case events.RunStarted():
                mode = " (check: nothing is changed)" if event.check else ""
                self._say(f"[bold]run {escape(event.run)}[/bold] {escape(event.playbook)}{mode}")
            case events.PlayStarted():
                self._say(f"\n[bold]{escape(event.play)}[/bold]: {escape(', '.join(event.hosts))}")
            case events.TaskStarted():
                self._progress(event.host, event.task)
            case events.Progressed():
                self._progressed(event)
            case events.TaskEnded():
                self._task(event)
            case events.Undone():
                colour, word = ("cyan", "undone") if event.ok else ("red", "NOT UNDONE")
                self._say(f"{_host(event)} [{colour}]{word}[/{colour}] {escape(event.task)}: {escape(event.msg)}")
            case events.HostEnded():
                self._ended.append(event)
                self._now.pop(event.host, None)
            case events.RunEnded():
                self.close()
                self._summary(event)
            case _:
                pass

    def _say(self, text: str) -> None:
        self._screen.print(text)

    def _progress(self, host: str, text: str) -> None:
        self._now[host] = text
        if self._live is not None:
            table = Table.grid(padding=(0, 2))
            for name, doing in self._now.items():
                table.add_row(f"[bold]{escape(name)}[/bold]", escape(doing))
            self._live.update(table)

    def _progressed(self, event: events.Progressed) -> None:
        of = f" of {_amount(event.total, event.unit)}" if event.total else ""
        text = f"{event.task}: {event.text} {_amount(event.done, event.unit)}{of}"
        self._progress(event.host, text)
        at = event.at.timestamp()
        if self._live is None and at - self._spoken.get(event.host, 0) >= _QUIET_SECONDS:
            self._spoken[event.host] = at
            self._say(f"{_host(event)} ... {escape(text)}")

    def _task(self, event: events.TaskEnded) -> None:
        self._spoken[event.host] = event.at.timestamp()
        colour = _COLOURS.get(event.status, "white")
        took = f" ({event.seconds:.1f} s)" if event.seconds >= 1 else ""
        self._say(
            f"{_host(event)} [{colour}]{event.status:<8}[/{colour}] {escape(event.task)}: {escape(event.msg)}{took}"
        )
        if self._diff:
            for change in event.changes:
                self._say(f"{'':<8}   [{colour}]~[/{colour}] {escape(change)}")
        if event.error:
            self._shown.update(event.error.split("\n"))
            self._say(f"[red]{escape(event.error)}[/red]")

    def _summary(self, event: events.RunEnded) -> None:
        table = plain_table(f"run {event.run}: exit code {event.exit_code}, {event.seconds:.1f} s")
        table.add_column("site", no_wrap=True)
        table.add_column("result", no_wrap=True)
        shown = [one for one in _FACTS if any(ended.summary.get(one.key) is not None for ended in self._ended)]
        for fact in shown:
            table.add_column(fact.title, justify="right", no_wrap=True)
        table.add_column("time", justify="right", no_wrap=True)
        table.add_column("set", overflow="fold")
        for ended in self._ended:
            facts, (status, _) = ended.summary, standing(ended)
            result = f"{status} ({ended.word})" if ended.word else status
            colour = "green" if status == "ok" else "red" if status != "skipped" else "dim"
            table.add_row(
                escape(ended.host),
                f"[{colour}]{escape(result)}[/{colour}]",
                *(fact.written(facts.get(fact.key)) for fact in shown),
                f"{ended.seconds:.1f} s",
                escape(str(facts.get("folder") or facts.get("set") or "")),
            )
        show_table(self._screen, table)
        for ended in self._ended:
            # Failures of tasks were told where they happened; the others (connection, undo, lease) are told here.
            left = [line for line in standing(ended)[1].split("\n") if line and line not in self._shown]
            if left:
                self._say(f"{escape(ended.host)}: {escape(chr(10).join(left))}")


def _host(event: events.Event) -> str:
    return escape(f"{event.host:<8}")


def _seconds(value: Any) -> str:
    return f"{value:.1f} s" if isinstance(value, int | float) else ""


def _amount(value: Any, unit: str) -> str:
    if not isinstance(value, int | float):
        return ""
    if unit != "B":
        return f"{value} {unit}"
    size = float(value)
    for step in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024 or step == "TiB":
            return f"{size:.0f} {step}" if step == "B" else f"{size:.1f} {step}"
        size /= 1024
    return ""
