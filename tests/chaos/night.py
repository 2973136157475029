"""One night: a lab of four machines, a store with earlier sets, journals, and processes of ours that are killed.

What is claimed afterwards is read from the lab's disk.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from sitekeeper.cli.main import main
from sitekeeper.lab.audit import read_audit
from sitekeeper.lab.hierarchy import Hierarchy
from sitekeeper.lab.opsmgr.group import read_group
from sitekeeper.lab.server import Lab
from sitekeeper.lab.sql.attach import attach
from sitekeeper.lab.state import HostState, read_state

from .points import Ended, Point, Victims, Watch

ROOT = Path(__file__).resolve().parents[2]
SITES = ("CEN", "PR1", "PR2")
SERVICES = ("SMS_SITE_COMPONENT_MANAGER", "SMS_EXECUTIVE")
GUARD_MINUTES = 15
LEAK_MINUTES = 6 * 60
STAYS = {"generation.txt", "lease.lock", "vshadow.exe"}
"""What of our folder on a site outlives a run."""


class Night:
    """Runs, kills, time that goes by, and questions to the lab's disk."""

    def __init__(self, root: Path, *, size: float = 0.05) -> None:
        data = yaml.safe_load((ROOT / "inventory/lab/hierarchy.yml").read_text())
        data["ports"] = {"http": 0, "https": 0, "sql": 0}
        for spec in data["hosts"].values():
            if "site" in spec:
                spec["site"]["size"] = size
        self.root = root
        self.store = root / "store"
        self.runs = root / "runs"
        self.lab = Lab(Hierarchy.model_validate(data), root / "lab")
        self.lab.start()
        self.watch = Watch(self.lab)
        self.victims = Victims(self.watch, root / "said.txt")
        self.ahead = 0.0
        self.earlier: dict[Path, bytes] = {}

    def close(self) -> None:
        self.victims.close()
        self.lab.stop()

    # What happens.

    def backup(
        self,
        point: Point | None = None,
        playbook: Path = ROOT / "playbooks/backup.yml",
        asleep: Callable[[], None] | None = None,
    ) -> Ended:
        """A run of a playbook, killed at a point, or frozen there until ``asleep`` was done."""
        inventory = self.lab.folder / "hosts.yml"
        given = ["-i", str(inventory), "-e", f"store={self.store}", "-e", "settle=0.1s"]
        return self._ours(point, ["run", str(playbook), *given], asleep)

    def again(self, command: str, run: str, point: Point | None = None) -> Ended:
        """``resume`` or ``rollback`` a run, killed at a point."""
        return self._ours(point, [command, run])

    def _ours(self, point: Point | None, arguments: list[str], asleep: Callable[[], None] | None = None) -> Ended:
        return self.victims.run([*arguments, "--runs", str(self.runs), "--json"], self.ahead, point, asleep)

    def minutes(self, number: int) -> None:
        """Time goes by."""
        self.lab.advance(60 * number)
        self.ahead += 60 * number

    def newest_run(self) -> str:
        """The id of the newest run, or nothing when none was begun."""
        found = (
            sorted(one.name for one in self.runs.iterdir() if (one / "journal.db").is_file())
            if self.runs.is_dir()
            else []
        )
        return found[-1] if found else ""

    def keep_sets(self) -> None:
        """What is in the store now are the earlier good sets."""
        self.earlier = {
            file: file.read_bytes() for file in self.store.rglob("*") if file.is_file() and file.parent != self.store
        }

    def forget_new_sets(self) -> None:
        """Begin the next night with the earlier sets only."""
        kept = {
            file.relative_to(self.store).parts[1]
            for file in self.earlier
            if len(file.relative_to(self.store).parts) > 2
        }
        for one in self.sets():
            if one.name not in kept:
                shutil.rmtree(one)
        shutil.rmtree(self.runs, ignore_errors=True)

    # What is asked.

    def state(self, host: str) -> HostState:
        return read_state(self.lab.folder / host)

    def sets(self, site: str = "*") -> list[Path]:
        """Published sets."""
        return sorted(one for one in self.store.glob(f"{site}/*") if one.parent.name in SITES)

    def running(self) -> list[str]:
        """Sites whose services do not run."""
        return [
            f"{site}: {states}"
            for site in SITES
            if set((states := self.state(site).states(*SERVICES)).values()) != {"Running"}
        ]

    def maintenance(self) -> list[str]:
        """Objects that are in maintenance mode now."""
        now = self.lab.clock.now()
        return [
            window.comment
            for window in read_group(self.lab.folder / "OPS1").windows
            if datetime.fromisoformat(window.until) > now
        ]

    def copies(self) -> list[str]:
        """Shadow copies and exports that are left."""
        left = []
        for site in SITES:
            state = self.state(site)
            left += [f"{site}: shadow copy {copy.id}" for copy in state.machine.shadows]
            for folder in self._works(state):
                left += [f"{site}: {file.name}" for file in folder.glob("*/registry")]
                left += [f"{site}: {file}" for file in folder.glob("*/shadow")]
        return left

    def traces(self) -> list[str]:
        """Everything of ours that is left on a site."""
        left = self.copies()
        for site in SITES:
            state = self.state(site)
            left += [f"{site}: task {task.name}" for task in state.machine.tasks if "sitekeeper" in task.name.lower()]
            for folder in self._works(state):
                left += [f"{site}: {file.name}" for file in folder.iterdir() if file.name not in STAYS]
        staging = self.store / ".staging"
        return left + ([f"staging {one.name}" for one in staging.iterdir()] if staging.is_dir() else [])

    def _works(self, state: HostState) -> list[Path]:
        drives = [volume.name for volume in state.machine.volumes if len(volume.name) == 3]
        folders = [state.path(f"{drive}sitekeeper") for drive in drives]
        return [folder for folder in folders if folder.is_dir()]

    def generations(self) -> dict[str, str]:
        """The generation that each site has written down."""
        found = {}
        for site in SITES:
            for folder in self._works(self.state(site)):
                if (folder / "generation.txt").is_file():
                    found[site] = (folder / "generation.txt").read_text().strip()
        return found

    def changes(self, after: int) -> list[dict[str, Any]]:
        """Changes on the sites after a line of the audit log."""
        lines = read_audit(self.lab.folder / "audit.jsonl", after)
        return [line for line in lines if line["event"] == "change" and line["host"] in SITES]

    def last_line(self) -> int:
        """The number of the audit log's last line."""
        return int(read_audit(self.lab.folder / "audit.jsonl")[-1]["n"])

    def held_leases(self) -> list[str]:
        """Sites whose lease has not expired."""
        now, found = self.lab.clock.now(), []
        for site in SITES:
            for folder in self._works(self.state(site)):
                lease = folder / "lease.txt"
                if (
                    lease.is_file()
                    and datetime.fromisoformat(lease.read_text().split()[-1].replace("0Z", "+00:00")) > now
                ):
                    found.append(f"{site}: {lease.read_text().split()}")
        return found

    def bad_sets(self) -> list[str]:
        """Published sets that are not whole, torn, or earlier ones that were touched."""
        found = [
            f"changed: {file}" for file, was in self.earlier.items() if not file.is_file() or file.read_bytes() != was
        ]
        if self.sets() and main(["backups", "verify", "--store", str(self.store)]) != 0:
            found.append("backups verify")
        return found + [f"torn: {one.name}" for one in self.sets() if _torn(one)]


def _torn(folder: Path) -> bool:
    """Whether the database and the inbox of a set are of different moments: the lab counts in both at once."""
    files = {file.suffix.lower(): file for file in (folder / "SiteDBServer").iterdir()}
    inbox = int((folder / "SiteServer/SMSServer/inboxes/labcounter.box/counter.txt").read_text().split()[0])
    return attach(files[".mdf"], files[".ldf"]).counter != inbox
