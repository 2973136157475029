"""One night: a lab, a store with earlier sets, journals, and processes of ours that are killed.

What is claimed afterwards is read from the lab's disk.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.hierarchies import hosts_of_the_lab

from sitekeeper_lab.audit import read_audit
from sitekeeper_lab.hierarchy import Hierarchy
from sitekeeper_lab.server import Lab
from sitekeeper_lab.state import read_state

from .aftermath import Aftermath
from .ahead import put_forward
from .points import Ended, Point, Victims, Watch

ROOT = Path(__file__).resolve().parents[2]
SITES = ("CEN", "PR1", "PR2")
GUARD_MINUTES = 15
LEAK_MINUTES = 6 * 60


class Scene:
    """Runs, kills, time that goes by, and questions to the lab's disk."""

    def __init__(self, root: Path, data: dict[str, Any]) -> None:
        self.root = root
        self.store = root / "store"
        self.runs = root / "runs"
        self.lab = Lab(Hierarchy.model_validate(data), root / "lab")
        for life in self.lab.lives:
            life.tick = 0.1  # the sites work a little slower than else: there are thousands of nights
        self.lab.start()
        self.watch = Watch(self.lab)
        self.victims = Victims(self.watch, root / "said.txt")
        self.ahead = root / "ahead.txt"
        """How many seconds the lab's clock is ahead: what our processes read theirs from."""
        put_forward(self.lab, self.ahead)
        self.aftermath = Aftermath(self.lab, self.store)
        self.earlier: dict[Path, str] = {}
        self.disk: tuple[Path, ...] = ()
        """Folders of the control host at whose changes a run can be killed."""

    def close(self) -> None:
        self.victims.close()
        self.lab.stop()

    # What happens.

    def run(
        self, playbook: Path, *more: str, point: Point | None = None, asleep: Callable[[], None] | None = None
    ) -> Ended:
        """A run of a playbook, killed at a point, or frozen there until ``asleep`` was done."""
        given = ["-i", str(self.lab.folder / "hosts.yml"), "-e", f"store={self.store}", "-e", "settle=0.1s"]
        return self._ours(point, ["run", str(playbook), *given, *more], asleep)

    def again(self, command: str, run: str, point: Point | None = None) -> Ended:
        """``resume`` or ``rollback`` a run, killed at a point."""
        return self._ours(point, [command, run])

    def _ours(self, point: Point | None, arguments: list[str], asleep: Callable[[], None] | None = None) -> Ended:
        given = [*arguments, "--runs", str(self.runs), "--json"]
        return self.victims.run(given, self.ahead, point, asleep, self.disk)

    def minutes(self, number: int) -> None:
        """Time goes by."""
        self.lab.advance(60 * number)
        put_forward(self.lab, self.ahead)

    def newest_run(self) -> str:
        """The id of the newest run, or nothing when none was begun; two of one second differ by chance in their names only."""
        journals = self.runs.glob("*/journal.db") if self.runs.is_dir() else ()
        return max(((one.stat().st_mtime_ns, one.parent.name) for one in journals), default=(0, ""))[1]

    def keep_sets(self) -> None:
        """What is in the store now are the earlier good sets."""
        self.earlier = self.aftermath.contents()

    def forget_new_sets(self) -> None:
        """Begin the next night with the earlier sets only."""
        for one in self.new_sets():
            shutil.rmtree(one)
        shutil.rmtree(self.runs, ignore_errors=True)

    def restart_winrm(self) -> None:
        """Shells of the dead are gone: a host has 5 or 30 for an account, and nobody is killed that often within hours."""
        for machine in self.lab.machines.values():
            machine.wsman.reboot()

    # What is asked.

    def new_sets(self) -> list[Path]:
        """What was published tonight."""
        earlier = {file.parent for file in self.earlier}
        return [one for one in self.aftermath.sets() if one not in earlier]

    def left(self) -> list[str]:
        """What is not as it was before: traces, leases, sets that are none."""
        there = self.aftermath
        return there.traces() + there.leases() + there.damaged(self.earlier)

    def last_line(self) -> int:
        """The number of the audit log's last line."""
        return int(read_audit(self.lab.folder / "audit.jsonl")[-1]["n"])


class Night(Scene):
    """Backups of the three sites of the lab's own hierarchy."""

    def __init__(self, root: Path, *, size: float = 0.05) -> None:
        super().__init__(root, hosts_of_the_lab(size=size))

    def backup(
        self,
        point: Point | None = None,
        playbook: Path = ROOT / "playbooks/backup.yml",
        asleep: Callable[[], None] | None = None,
    ) -> Ended:
        """A run of a playbook, killed at a point, or frozen there until ``asleep`` was done."""
        return self.run(playbook, point=point, asleep=asleep)

    def down(self) -> list[str]:
        """Services of the sites that do not run."""
        return [f"{site}: {text}" for site in SITES for text in self.aftermath.down(site)]

    def left(self) -> list[str]:
        return self.down() + super().left() + self.aftermath.maintenance()

    def generations(self) -> dict[str, str]:
        """The generation that each site has written down."""
        files = {site: read_state(self.lab.folder / site).path("C:\\sitekeeper\\generation.txt") for site in SITES}
        return {site: file.read_text().strip() for site, file in files.items() if file.is_file()}

    def changes(self, after: int) -> list[dict[str, Any]]:
        """Changes on the sites after a line of the audit log."""
        lines = read_audit(self.lab.folder / "audit.jsonl", after)
        return [line for line in lines if line["event"] == "change" and line["host"] in SITES]
