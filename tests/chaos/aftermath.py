"""What is left after a bad night, read from the disks of the lab and of the store, never through our own modules."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from sitekeeper_lab.audit import read_audit
from sitekeeper_lab.opsmgr.group import read_group
from sitekeeper_lab.server import Lab
from sitekeeper_lab.sql.attach import attach
from sitekeeper_lab.state import HostState, read_state

SERVICES = ("SMS_SITE_COMPONENT_MANAGER", "SMS_EXECUTIVE")
STAYS = {"generation.txt", "lease.lock"}
"""What of our folder on a host outlives a run."""
ONCE = {"Export-SkRegistry", "New-SkShadowSet", "New-SkShadowCopy", "New-SkVshadow"}
"""Changes that are made once in a run, however its night goes; and each service is stopped once."""


class Aftermath:
    """Questions to the disks; each answers what is wrong, in words, and nothing where all is well."""

    def __init__(self, lab: Lab, store: Path) -> None:
        self.lab = lab
        self.store = store
        self._seen: dict[tuple[tuple[str, str], ...], list[str]] = {}
        """What is wrong with a set, by its files and their hashes: the earlier ones are looked at after every night."""

    def state(self, host: str) -> HostState:
        return read_state(self.lab.folder / host)

    def hosts(self) -> list[str]:
        """Site servers and database hosts: what a backup leaves traces on."""
        return [name for name, spec in self.lab.hierarchy.hosts.items() if spec.opsmgr is None]

    def down(self, site: str) -> list[str]:
        states = self.state(site).states(*SERVICES)
        return [f"{name} is {state}" for name, state in states.items() if state != "Running"]

    def copies(self) -> list[str]:
        """Shadow copies, links to them, and exports."""
        left = []
        for host in self.hosts():
            left += [f"{host}: shadow copy {copy.id}" for copy in self.state(host).machine.shadows]
            for work in self._works(host):
                left += [f"{host}: {one}" for kind in ("registry", "shadow") for one in work.glob(f"*/{kind}")]
        return left

    def traces(self) -> list[str]:
        """Everything of a run that is left on a host, or unfinished in the store."""
        left = self.copies()
        for host in self.hosts():
            tasks = self.state(host).machine.tasks
            left += [f"{host}: task {task.name}" for task in tasks if "sitekeeper" in task.name.lower()]
            left += [
                f"{host}: {one.name}" for work in self._works(host) for one in work.iterdir() if one.name not in STAYS
            ]
        staging = self.store / ".staging"
        return left + ([f"staging {one.name}" for one in staging.iterdir()] if staging.is_dir() else [])

    def leases(self) -> list[str]:
        """Leases that are held now, by the clock of their host."""
        found = []
        for host in self.hosts():
            now = self.lab.host(host).now()
            for work in self._works(host):
                lease = work / "lease.txt"
                words = lease.read_text().split() if lease.is_file() else []
                if words and datetime.fromisoformat(words[-1].replace("0Z", "+00:00")) > now:
                    found.append(f"{host}: held by {words}")
        return found

    def maintenance(self) -> list[str]:
        """Objects that are in maintenance mode now."""
        now = self.lab.clock.now()
        return [
            f"maintenance mode until {window.until}"
            for name, spec in self.lab.hierarchy.hosts.items()
            if spec.opsmgr is not None
            for window in read_group(self.lab.folder / name).windows
            if datetime.fromisoformat(window.until) > now
        ]

    def sets(self) -> list[Path]:
        """Published sets."""
        return sorted(one for one in self.store.glob("[A-Z]*/*-*") if one.is_dir())

    def contents(self) -> dict[Path, str]:
        """Every file of every published set, by its hash."""
        return {file: _hash(file) for one in self.sets() for file in one.rglob("*") if file.is_file()}

    def damaged(self, earlier: dict[Path, str]) -> list[str]:
        """Sets that are not whole, or torn, and earlier ones that were touched."""
        now = self.contents()
        wrong = [f"an earlier set was changed: {file}" for file, was in earlier.items() if now.get(file) != was]
        return wrong + [text for one in self.sets() for text in self._flaws(one, now)]

    def _flaws(self, folder: Path, now: dict[Path, str]) -> list[str]:
        inside = f"{folder}/"
        here = {file: hash_ for file, hash_ in now.items() if str(file).startswith(inside)}
        key = tuple(sorted((str(file), hash_) for file, hash_ in here.items()))
        if key not in self._seen:
            self._seen[key] = list(_flaws(folder, here))
        return self._seen[key]

    def repeated(self, after: int) -> list[str]:
        """Changes that were made twice since a line of the audit log."""
        made: Counter[tuple[str, str, str]] = Counter()
        for line in read_audit(self.lab.folder / "audit.jsonl", after):
            arguments = dict(line["arguments"]) if line["event"] == "call" else {}
            if line.get("command") in ONCE or arguments.get("Name") == "StopService":
                made[line["host"], line["command"], json.dumps(arguments, sort_keys=True)] += 1
        return [f"made {times} times: {change}" for change, times in made.items() if times > 1]

    def _works(self, host: str) -> list[Path]:
        state = self.state(host)
        letters = [volume.letter for volume in state.machine.volumes if volume.letter]
        return [work for letter in letters if (work := state.path(f"{letter}\\sitekeeper")).is_dir()]


def _flaws(folder: Path, now: dict[Path, str]) -> Iterable[str]:
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        yield f"{folder.name} has no manifest"
        return
    written = json.loads(manifest.read_text())
    listed = {folder / one["file"]: one for one in written["entries"] if one["kind"] == "file"}
    for file, entry in listed.items():
        if not file.is_file() or file.stat().st_size != entry["size"] or now.get(file) != entry["sha256"]:
            yield f"{folder.name}: {entry['file']} is not what the manifest says"
    for file in now:
        if file not in listed and not file.name.startswith(("manifest.", "marks.", ".marks.")):
            yield f"{folder.name}: {file.name} is not in the manifest"
    top = folder / f"{written['site']}Backup" if written["kind"] == "task" else folder
    databases = {file.suffix.lower(): file for file in (top / "SiteDBServer").iterdir()}
    inbox = int((top / "SiteServer/SMSServer/inboxes/labcounter.box/counter.txt").read_text().split()[0])
    if attach(databases[".mdf"], databases[".ldf"]).counter != inbox:
        yield f"{folder.name} is torn: its database and its inbox are of different moments"


def _hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
