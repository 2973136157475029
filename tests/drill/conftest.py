"""One night of backups of two sites, made once; each test gets its own copy of the store, damages a set, and drills it."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.backup.conftest import Outcome, Stage
from tests.hierarchies import hosts_of_the_lab

from sitekeeper.store.format import manifest_file
from sitekeeper_lab.hierarchy import Hierarchy
from sitekeeper_lab.server import Lab

SCRATCH = "DRILL1"
CURRENT_BRANCH = "5.00.9128.1000"


class _Printed(NamedTuple):
    out: str


class Captured:
    """What our command printed; a fixture of a module cannot have pytest's."""

    def __init__(self) -> None:
        self.text = io.StringIO()

    def readouterr(self) -> _Printed:
        printed = _Printed(self.text.getvalue())
        self.text.truncate(0)
        self.text.seek(0)
        return printed


@dataclass
class Night(Stage):
    """A lab with two sites and a scratch server, and a store."""

    def run(
        self, *arguments: str, playbook: str | Path = "playbooks/drill.yml", inventory: Path | None = None
    ) -> Outcome:
        with contextlib.redirect_stdout(self.capture.text), contextlib.redirect_stderr(io.StringIO()):
            return super().run(*arguments, playbook=playbook, inventory=inventory)

    def drill(self, site: str = "PR2", kind: str = "snapshot", *more: str) -> Outcome:
        return self.run("--limit", site, "-e", f"drill_on={SCRATCH}", "-e", f"drill_kind={kind}", *more)

    def restore(self, site: str = "PR2", *more: str) -> Outcome:
        book = f"book={self.root / 'book'}"
        return self.run("--limit", site, "-e", f"confirm={site}", "-e", book, *more, playbook="playbooks/restore.yml")

    def set_of(self, site: str, kind: str) -> Path:
        """A site's newest set of a kind."""
        return [one for one in self.sets(site) if json.loads((one / "manifest.json").read_text())["kind"] == kind][-1]

    def copied(self, root: Path) -> Night:
        """The same lab, with a copy of the store."""
        shutil.copytree(self.store, root / "store", symlinks=True)
        return Night(self.lab, root, self.capture, self.extra)

    @property
    def databases(self) -> set[str]:
        """What the scratch server has."""
        instance = self.lab.machines[SCRATCH].instance
        assert instance is not None
        return set(instance.databases) | set(instance.restoring)

    def assert_scratch_is_clean(self) -> None:
        """No database, no file but the operator's marker, no lease."""
        assert self.databases == set()
        work = self.lab.host(SCRATCH).files.resolve("D:\\Drill")
        assert [path.name for path in work.iterdir()] == ["sitekeeper-work.txt"]
        folder = self.lab.host(SCRATCH).files.resolve("C:\\sitekeeper")
        left = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        assert left <= {"generation.txt", "lease.lock"}

    def failed_task(self, outcome: Outcome) -> str:
        """The module at which it failed."""
        failed = [
            one for one in outcome.events if one["event"] == "TaskEnded" and one["status"] == "failed" and one["module"]
        ]
        return str(failed[0]["module"]) if failed else ""


@pytest.fixture(scope="module")
def backed_up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    """PR1 (2007 on Server 2003), PR2 (current branch) and the scratch server; a snapshot set and a task's set of each site."""
    root = tmp_path_factory.mktemp("night")
    data = hosts_of_the_lab("PR1", "PR2", SCRATCH, size=0.15)
    for number, spec in enumerate(data["hosts"].values(), 1):
        spec["address"] = f"127.81.62.{number}"
    data["hosts"]["PR2"]["site"]["version"] = CURRENT_BRANCH
    with Lab(Hierarchy.model_validate(data), root / "lab") as lab:
        night = Night(lab, root, Captured(), ["-e", "settle=0.3s", "-e", "maintenance=none"])
        for playbook in ("backup", "backup_task"):
            made = night.run(playbook=f"playbooks/{playbook}.yml")
            assert made.code == 0, [one["error"] for one in made.events if one.get("error")]
        yield night


@pytest.fixture
def night(backed_up: Night, tmp_path: Path) -> Iterator[Night]:
    """The night with a store of the test's own; the scratch server must be clean afterwards."""
    mine = backed_up.copied(tmp_path)
    yield mine
    mine.assert_scratch_is_clean()


def edited(folder: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    """Change a manifest, with its checksum right."""
    data = json.loads((folder / "manifest.json").read_text())
    edit(data)
    manifest_file.write(folder, manifest_file.Manifest.model_validate(data))


def rehashed(folder: Path, *files: str) -> None:
    """Files were changed or are gone: the manifest says so, as if they had been backed up like that."""

    def edit(data: dict[str, Any]) -> None:
        for name in files:
            entry = next(one for one in data["entries"] if one["file"] == name)
            path = folder / name
            if path.is_file():
                entry |= {"size": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
            else:
                data["entries"].remove(entry)
        kept = [one for one in data["entries"] if one["kind"] == "file"]
        data |= {"files": len(kept), "bytes": sum(one["size"] for one in kept)}

    edited(folder, edit)
