"""``sitekeeper runs list|show``: what runs did, read from their journals alone."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from sitekeeper.cli.common import table, wiring
from sitekeeper.engine import events
from sitekeeper.engine.errors import IntegrityError, SitekeeperError
from sitekeeper.engine.journal import journal
from sitekeeper.engine.journal.records import RunBegun, Told, record_of
from sitekeeper.report.console import Console

ROLLED_BACK = "rolled back"


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    command = commands.add_parser("runs", help="look at earlier runs")
    actions = command.add_subparsers(dest="action", required=True)
    for name, text, work in (("list", "all runs, the open ones first", list_runs), ("show", "one run again", show)):
        action = actions.add_parser(name, help=text)
        action.add_argument("--runs", help="folder of the journals")
        action.add_argument("--json", action="store_true")
        if name == "show":
            action.add_argument("run", help="run id, or `last`")
            action.add_argument("--diff", action="store_true", help="show every single change")
        action.set_defaults(work=work)


def list_runs(options: argparse.Namespace) -> int:
    """A line per run. A run without an end was cut off, and may have left changes behind."""
    rows = [_summary(folder) for folder in wiring.runs_in(wiring.runs_folder(options.runs))]
    rows.sort(key=lambda row: (row["state"] in {"ended", ROLLED_BACK}, row["run"]))
    table.show(
        rows,
        ("run", "state", "exit_code", "playbook", "open_changes"),
        as_json=options.json,
        empty="no runs",
        whole=("run", "state"),
    )
    return 0


def _summary(folder: Path) -> dict[str, Any]:
    """A run in a line. A rollback says of itself that nothing is left: exit code and hosts stay those of the run."""
    row: dict[str, Any] = {"run": folder.name, "state": "open", "exit_code": None, "playbook": "", "hosts": {}}
    rolling_back = False
    try:
        for stored in journal.read(folder):
            if stored.kind not in {RunBegun.kind, Told.kind}:
                continue
            record = record_of(stored)
            event = record.event if isinstance(record, Told) else None
            if isinstance(record, RunBegun):
                row["playbook"] = record.playbook
            elif isinstance(event, events.RunStarted | events.PlayStarted):
                rolling_back = isinstance(event, events.PlayStarted) and (
                    event.play == events.play_of_rollback(folder.name)
                )
            elif isinstance(event, events.HostEnded) and not rolling_back:
                row["hosts"][event.host] = event.status
            elif isinstance(event, events.RunEnded) and not rolling_back:
                row |= {"state": "ended", "exit_code": event.exit_code}
            elif isinstance(event, events.RunEnded) and not event.exit_code:
                row["state"] = ROLLED_BACK
        row["open_changes"] = len(journal.open_changes(folder))
    except SitekeeperError as error:
        state = "damaged" if isinstance(error, IntegrityError) else "unreadable"
        row |= {"state": state, "error": error.message, "open_changes": None}
    return row


def show(options: argparse.Namespace) -> int:
    """The report of a run, from its journal."""
    root = wiring.runs_folder(options.runs)
    name = options.run
    if name == "last":
        name = max((folder.name for folder in wiring.runs_in(root)), default="last")
    folder = root / name
    rows = list(journal.read(folder))
    if options.json:
        print(
            json.dumps(
                [
                    {
                        "seq": r.seq,
                        "at": r.at,
                        "kind": r.kind,
                        "host": r.host,
                        "task": r.task,
                        "change": r.change,
                        "data": r.data,
                    }
                    for r in rows
                ],
                indent=1,
            )
        )
        return 0
    console = Console(sys.stdout, diff=options.diff)
    for row in rows:
        if row.kind != Told.kind:
            continue
        try:
            record = record_of(row)
        except IntegrityError as unreadable:
            print(f"not shown: {unreadable.message}")
            continue
        if isinstance(record, Told):
            console(record.event)
    console.close()
    for left in journal.open_changes(folder):
        print(f"open: {left.host} {left.intent.module} ({left.intent.name}), change {left.change}")
    return 0
