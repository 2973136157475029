"""What can be seen of a run: what it told, what its journal holds, what the lab's audit and disks say; levelled for comparison.

Levelled is what must differ between two runs, and nothing else: each rule says why.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

from tests.backup.conftest import Outcome, Stage

from sitekeeper.engine.journal import journal
from sitekeeper_lab.server import Lab

Seen = dict[str, Any]
Standing = dict[str, str]
"""What there is on the hosts, by name: files, services, tasks, shadow copies, databases."""

TEXTS = [
    (r"\d{8}-\d{6}-[0-9a-f]{6}", "<run>"),
    (r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", "<guid>"),
    (r"\d{14}\.\d{6}\+000", "<time>"),  # as WMI writes it
    (r"\b\d\d-\d\d-\d{4}\s\d\d:\d\d:\d\d", "<time>"),  # as setup's log does
    (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|\+00:00| UTC)?", "<time>"),
    (r"(127(?:\.\d+){3}),\d+", r"\1,<port>"),
    (r"[0-9A-F]{8}\.DDR", "<name>.DDR"),  # what clients leave in an inbox
    (r"(PR\d)-\d{6}", r"\1-<number>"),  # of a set: cases come in any order
    (r"generation \d+", "generation <number>"),
    (r"\b\d+ (?:h|min) \d+ (?:min|s)\b", "<duration>"),
    (r"\b\d+(?:\.\d+)? ?(?:s|ms|min|h)\b", "<duration>"),
    (r"\b\d+(?:\.\d+)? (?:MiB/s|bytes|B|KiB|MiB|GiB)\b", "<size>"),  # of a site that lives
]
FIELDS = {
    "pid": "of a process",
    "seconds": "measured",
    "bytes": "of a site that lives",
    "size": "of a site that lives",
    "free": "of a disk that fills",
    "sha256": "of a site that lives",
    "generation": "cases come in any order",
    "rows": "of a site that lives",
    "predicted_bytes": "of a site that lives",
    "record": "cases come in any order",
    "started": "cases come in any order",
    "completed": "cases come in any order",
    "listing": "of files with times",
    "written": "times",
}
"""Fields of results and intents, and what they are of."""
ON_DISK = frozenset({"file", "folder"})
"""Changes that the lab notes only where it makes them itself: a real .NET writes to the disk. There, the disk is compared."""
NO_CHANGE = frozenset({"Read-SkLease", "Enter-SkLease", "Exit-SkLease", "Assert-SkLease"})
"""What a run asks about its lease when the fence has said no."""
STARTED_BY_ITSELF = re.compile(r"SMS_EXECUTIVE.*StartService")
"""The component manager starts it: whether we still have to ask depends on who comes first."""
STAYS = re.compile(r"\\sitekeeper(?:\\(?:generation\.txt|lease\.lock))?$", re.IGNORECASE)
"""The work folder itself and its counter: every host keeps them from the first run on."""


def levelled(value: Any, *roots: str) -> Any:
    """A value without what must differ between two runs."""
    match value:
        case dict():
            return {
                name: f"<{FIELDS[name]}>" if name in FIELDS and one else levelled(one, *roots)
                for name, one in value.items()
            }
        case list() | tuple():
            return [levelled(one, *roots) for one in value]
        case str():
            for root in roots:
                value = value.replace(root, "<root>")
            for pattern, stands in TEXTS:
                value = re.sub(pattern, stands, value)
            return value
        case float():
            return "<measured>"
        case _:
            return value


def looked_at(place: Stage, outcome: Outcome, lines: list[dict[str, Any]], left: list[str]) -> Seen:
    """Everything that must be the same on both engines."""
    run = next(str(one["run"]) for one in outcome.events if one["event"] == "RunStarted")
    rows = list(journal.read(place.root / "runs" / run))
    kept = {
        "done": ("module", "result"),
        "intent": ("module", "intent"),
        "undone": ("msg",),
        "undo failed": ("word", "msg"),
    }
    told = {
        "TaskEnded": ("host", "module", "task", "status", "msg", "changes", "checks", "error"),
        "Undone": ("host", "module", "task", "ok", "msg"),
        "HostEnded": ("host", "status", "word", "error"),
    }
    hosts = sorted({str(one["host"]) for one in lines if one["host"]})
    seen = {
        "code": outcome.code,
        # Hosts of one run go side by side: in order for each of them.
        "told": {
            host: [
                {name: one[name] for name in told[one["event"]]}
                for one in outcome.events
                if one["event"] in told and one["host"] == host
            ]
            for host in hosts
        },
        "journal": {
            host: [
                {"kind": row.kind, **{name: row.data.get(name) for name in kept[row.kind]}}
                for row in rows
                if row.kind in kept and row.host == host
            ]
            for host in hosts
        },
        "changes": {host: changes(lines, host) for host in hosts},
        "asked": {host: behind_the_fence(lines, host) for host in hosts},
        "commands": {host: commands(lines, host) for host in hosts},
        "left": left,
    }
    result: Seen = levelled(seen, str(place.root))
    return result


def is_change(line: dict[str, Any]) -> bool:
    """Whether an audit line is of a change that the lab sees whichever engine makes it."""
    if line["event"] != "change" or line["kind"] in ON_DISK:
        return False
    return not (line["kind"] == "acl" and STAYS.search(str(line["what"])))  # by whichever case comes first


def changes(lines: list[dict[str, Any]], host: str) -> dict[str, list[str]]:
    """What became of each thing on a host. In order for each: what the site does by itself goes side by side."""
    found: dict[str, list[str]] = {}
    for line in lines:
        if line["host"] == host and is_change(line):
            after = line.get("to")
            # A set's copies by their ids, which come in any order.
            told = f"{len(after)} copies" if line["kind"] == "shadow" and isinstance(after, list) else after
            found.setdefault(levelled(f"{line['kind']} {line['what']}"), []).append(f"{line.get('from')} -> {told}")
    return {name: sorted(told) if name.startswith("shadow") else told for name, told in found.items()}


def behind_the_fence(lines: list[dict[str, Any]], host: str) -> list[str]:
    """Every change that was sent to a host, in order: what came right behind `Assert-SkLease`."""
    calls = [one for one in lines if one["event"] == "call" and one["host"] == host]
    sent = []
    for number, one in enumerate(calls):
        if one["command"] == "Assert-SkLease":
            later = next((two for two in calls[number + 1 :] if two["runspace"] == one["runspace"]), None)
            if later is not None and later["command"] not in NO_CHANGE:
                sent.append(
                    f"{later['command']} { {name: value for name, value in later['arguments'] if name != 'Data'} }"
                )
    return [one for one in sent if not STARTED_BY_ITSELF.search(one)]


def commands(lines: list[dict[str, Any]], host: str) -> list[str]:
    """Which commands a host was sent, with the names of their parameters: how often it was asked depends on time."""
    calls = [one for one in lines if one["event"] == "call" and one["host"] == host]
    calls = [one for one in calls if one["command"] != "Send-SkBeat"]  # a run that is over soon sends none
    return sorted({" ".join([one["command"], *sorted(name for name, _ in one["arguments"])]) for one in calls})


def standing(lab: Lab) -> Standing:
    """What there is on all hosts now, read from their disks and states."""
    found: Standing = {}
    for name, machine in lab.machines.items():
        host = machine.host
        with host.lock:
            for service in host.machine.services.values():
                found[f"{name} service {service.name}"] = f"{service.state} {service.start_mode}"
            found |= {f"{name} task {task.name}": "there" for task in host.machine.tasks}
            found |= {f"{name} shadow copy {copy.id}": "there" for copy in host.machine.shadows}
            for volume in host.machine.volumes:
                top = host.folder / volume.folder
                for path in top.rglob("*"):
                    inside = "\\".join(PurePosixPath(path.relative_to(top)).parts)
                    found[f"{name} {volume.name.rstrip(chr(92))}\\{inside}"] = "there"
        if machine.instance is not None:
            for database in {*machine.instance.databases, *machine.instance.restoring}:
                found[f"{name} database {database}"] = "there"
    return {one: how for one, how in found.items() if not STAYS.search(one)}


def changed(before: Standing, now: Standing, run: str) -> list[str]:
    """What is different, the run's id levelled."""
    told = [
        f"{one}: {before.get(one, 'not there')} -> {now.get(one, 'gone')}"
        for one in sorted({*before, *now})
        if before.get(one) != now.get(one)
    ]
    return [one.replace(run, "<run>") for one in told]


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Where two levelled values differ, one line each."""
    if isinstance(one, dict) and isinstance(other, dict):
        return [
            line
            for name in sorted({*one, *other})
            for line in differences(one.get(name), other.get(name), f"{path}/{name}")
        ]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [
            line
            for number, (a, b) in enumerate(zip(one, other, strict=True))
            for line in differences(a, b, f"{path}/{number}")
        ]
    return [] if one == other else [f"{path}: {one!r} / {other!r}"]
