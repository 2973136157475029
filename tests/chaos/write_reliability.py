"""Writes docs/reliability.md from what ``make chaos`` found: ``faults.jsonl``, ``points.jsonl`` and ``nights.jsonl`` in ``.chaos``."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reliability.md"
FOUND = ROOT / ".chaos"
HEAD = """\
# What happens when something goes wrong

This page is generated (`tests/chaos/write_reliability.py`) from the run that proved it: `make chaos`.

**What is promised.** Whatever happens to the site, the network, the store or the control host during a backup:

* The site's services run again: at the end of the run, or, where the run cannot reach the site any more, within the guard's time
  (15 minutes in `playbooks/backup.yml`) and one minute, plus the time that the services themselves take to stop and start.
* Shadow copies, links to them and exports go away: at the end of the run, or within the leak guard's hours (6).
* Maintenance mode ends, at the latest when it was said to end when it began.
* The lease of the host is free, or has expired.
* The store shows complete sets only, earlier sets are untouched, and nothing is published from an offline window that was broken.
* No change is made twice.
* The exit code is that of the class of failure, and the error names the host, the task, the file and line, and what to do.

**How it is proved.** A backup runs against the lab over the real protocols. At the moment at which it says that a step begins, or
while the host carries the step out, the fault strikes. Afterwards the disks are read, never through our own modules: the lab's
hosts, its management server, the store (every file of every set is hashed again, and a counter that the lab keeps in the
database, in an inbox and in the registry at once shows whether a set is torn). Where something was left, lab time goes by until
the guards have acted; then the fault is repaired, `sitekeeper rollback` must end well, and nothing may be left. A guard that acts
while the rollback is at work takes the lease from it: the rollback ends with 12 and says so, and the next one must end well.

**What is only simulated.** The lab is no Windows: what it does under a fault is what Microsoft documents or what was recorded,
and [unverified.md](unverified.md) says what nobody could check. A reboot takes no time. A full disk refuses every write, also
those that NTFS would still take. When a writer fails before the copies are made, the lab's VSS makes none. A locked account and an
expired password look the same to WinRM. The execution policy speaks of script files, and the lab's PowerShell runs none. The
control host is suspended by SIGSTOP, and both its clocks are put forward before it wakes. In the rows of the black hole it waits
two seconds for an answer, and not thirty, and tries once to connect.

A store that is not mounted: the folder under its mount point is refused when it is open to others, as `mkdir` makes it, and when
it never held a set although the site has been backed up before. Only at the first backup of a site it is taken for a new store.

## Faults

`by the run`: at its end, or just before, everything is as it was. `the guard`: the run could not start the services again, the
guard did, and the leak guard took away the rest. `leak guard`: the services ran at the end of the run already. The number in
parentheses is the exit code; 20 is several classes of failure in one run: mostly the failure, and that something could not be
taken back.
"""
POINTS = """
## Kill points

Our own process is killed (SIGKILL) at the points of a backup of three sites, and of what takes it up again: before or after each record
of its journal, before and after each remote call and SQL request, and inside, at each change that a host makes and each command
of its tools. Or it is frozen there, and woken when the guards have acted. A backup has more than 1,200 such points; the
runs that made this page tried {total} of all kinds, {held} held.

Drills, restores and runs of ConfigMgr's own backup task are killed at theirs, too, also before a change on the disk of the control
host, and taken up by `resume` or `rollback` at once: a sample with every `make test`, which is not counted below. What is promised of them:

* After a drill the scratch server has no database, file or lease of ours, no plain copy of a sealed set is left, the site's server was
  asked nothing, and no set is said to have failed that did not.
* A restore that is taken back before setup was started leaves nothing beside the site but what it kept of it, by name; while setup is
  at work nothing is taken away that it reads; a recovered site keeps its database. Setup runs once.
* The backup that the task had made before is never lost: [decisions/008](decisions/008-backup-task.md) says what lies where.

| what is done, and then | point | tried | held |
|---|---|---|---|
"""
NIGHTS = """
## Random nights

{total} nights with a fault of the table at a random step and a connection that breaks at a random request; {held} held. Their seeds (for
`SITEKEEPER_CHAOS_SEED`): {seeds}.
"""
WORST = """
What did not go as it should; nobody was asked once more then, as it is done now where a guard has taken the lease:

"""


def lines_of(file: Path) -> list[dict[str, Any]]:
    """The lines of a file; the last one counts of those that are of the same case."""
    if not file.is_file():
        return []
    return [json.loads(line) for line in file.read_text().splitlines()]


def latest(found: list[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    """What was tried more than once counts as it was the last time."""
    return list({tuple(one[name] for name in names): one for one in found}.values())


def faults(found: list[dict[str, Any]]) -> str:
    """A section for each fault: how it was made, and what came of it at which steps."""
    found = sorted(found, key=lambda one: one["place"])
    text = [f"\n{len(found)} cases were tried, {sum(not one['wrong'] for one in found)} held.\n"]
    text += ["\n| fault | how it is made | what happens | at |\n|---|---|---|---|\n"]
    for fault, how in dict.fromkeys((one["fault"], one["how"]) for one in found):
        steps: dict[str, list[str]] = {}
        for one in found:
            if (one["fault"], one["how"]) == (fault, how):
                steps.setdefault(one["happened"] + (" **not held**" if one["wrong"] else ""), []).append(one["step"])
        for happened, at in steps.items():
            where = "every step" if len(steps) == 1 and len(at) > 3 else "; ".join(at)
            text.append(f"| {fault} | {how} | {happened} | {where} |\n")
    return "".join(text)


def points(found: list[dict[str, Any]]) -> str:
    """The kill points, counted."""
    tried = Counter((one["scenario"], one["kind"]) for one in found)
    held = Counter((one["scenario"], one["kind"]) for one in found if one["held"])
    return "".join(
        f"| {name} | {kind} | {number} | {held[name, kind]} |\n" for (name, kind), number in sorted(tried.items())
    )


def page(
    fault_lines: list[dict[str, Any]], point_lines: list[dict[str, Any]], night_lines: list[dict[str, Any]]
) -> str:
    """The whole page."""
    text = HEAD + faults(fault_lines)
    if point_lines:
        text += POINTS.format(total=len(point_lines), held=sum(one["held"] for one in point_lines)) + points(
            point_lines
        )
    if night_lines:
        seeds = ", ".join(dict.fromkeys(str(one["seed"]) for one in night_lines))
        text += NIGHTS.format(total=len(night_lines), held=sum(not one["wrong"] for one in night_lines), seeds=seeds)
        worst = [
            f"* {one['night']}: {'; '.join(one['wrong'])} (seed {one['seed']})\n" for one in night_lines if one["wrong"]
        ]
        text += WORST + "".join(worst) if worst else ""
        print(f"seeds of the random nights: {seeds}")
    return text


if __name__ == "__main__":
    found = [
        latest(lines_of(FOUND / "faults.jsonl"), "fault", "how", "step"),
        latest(lines_of(FOUND / "points.jsonl"), "scenario", "point"),
        lines_of(FOUND / "nights.jsonl"),
    ]
    PAGE.write_text(page(*found))
    for name, lines in zip(("faults at a step", "kill points", "random nights"), found, strict=True):
        held = sum(one["held"] if "held" in one else not one["wrong"] for one in lines)
        print(f"{name}: {len(lines)} tried, {held} held")
    print(f"{PAGE} is written")
