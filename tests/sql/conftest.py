"""A site's database files as a set holds them, and a scratch SQL Server to try them on."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.backup.conftest import Outcome, Stage
from tests.hierarchies import Change, hosts_of_the_lab, start_labs

from sitekeeper_lab.sql.database import Database

SCRATCH = "DRILL1"


class Drill(Stage):
    """A lab of one site and one scratch server, and playbooks of a few tasks against it."""

    def play(self, tasks: list[dict[str, Any]], *arguments: str, site: str = "PR2") -> Outcome:
        """Run tasks for the site; its own host is never asked."""
        playbook = self.root / "play.yml"
        playbook.write_text(yaml.safe_dump([{"name": "drill", "hosts": site, "tasks": tasks}], sort_keys=False))
        return self.run(*arguments, playbook=playbook)

    def files(self, site: str = "PR2", folder: str = "got") -> list[dict[str, Any]]:
        """Copies of the site database's files, of one instant, as records."""
        machine = self.lab.machines[site]
        return copied(machine.site_databases[site], self.root / folder)

    @property
    def work(self) -> Path:
        """The work folder on the scratch server's disk."""
        return self.lab.host(SCRATCH).files.resolve("D:\\Drill")

    @property
    def databases(self) -> set[str]:
        """What the scratch server has."""
        instance = self.lab.machines[SCRATCH].instance
        assert instance is not None
        return set(instance.databases) | set(instance.restoring)

    def assert_nothing_left(self) -> None:
        """No database, no file but the operator's marker, no lease held."""
        assert self.databases == set()
        assert [path.name for path in self.work.iterdir()] == ["sitekeeper-work.txt"]
        folder = self.lab.host(SCRATCH).files.resolve("C:\\sitekeeper")
        left = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        assert left <= {"generation.txt", "lease.lock"}

    def assert_site_never_asked(self, site: str = "PR2") -> None:
        """Nothing was sent to the site's own host."""
        assert self.audit("call", site) == []
        assert self.audit("sql", site) == []


def copied(database: Database, folder: Path) -> list[dict[str, Any]]:
    """Copy a database's files; answers what a set says of them."""
    folder.mkdir(exist_ok=True)
    with database.io_lock, database.reading:
        for file in database.files:
            shutil.copy(file.path, folder / file.path.name)
    return [
        {
            "file": file.path.name,
            "name": file.path.name,
            "logical": file.logical,
            "kind": "log" if file.kind == "LOG" else "data",
            **facts(folder / file.path.name),
        }
        for file in database.files
    ]


def facts(path: Path) -> dict[str, Any]:
    return {"size": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


MakeDrill = Callable[..., Drill]


@pytest.fixture
def drill(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[MakeDrill]:
    """Start a lab of one site (PR2) and the scratch server; ``change`` may alter the hierarchy's YAML before."""
    with start_labs(tmp_path) as start:

        def make(site: str = "PR2", change: Change | None = None) -> Drill:
            lab = start(hosts_of_the_lab(site, SCRATCH), change)
            capsys.readouterr()
            return Drill(lab, tmp_path, capsys)

        yield make


def pushing(folder: Path, files: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """The task that pushes files."""
    return {
        "windows.push": {"on": SCRATCH, "folder": str(folder), "files": files, **more},
        "undo": "play",
        "register": "pushed",
    }


NAME = "sk_PR2_{{ run.id }}"
ATTACHING: dict[str, Any] = {
    "sql.attach": {"on": SCRATCH, "name": NAME, "files": "{{ pushed.files }}"},
    "undo": "play",
    "register": "made",
}
CHECKING: dict[str, Any] = {"sql.checkdb": {"on": SCRATCH, "name": "{{ made.name }}"}, "register": "checked"}
