"""A hierarchy of every product version, backed up once; each test wrecks a site of it and recovers it."""

from __future__ import annotations

import contextlib
import io
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.backup.conftest import Outcome
from tests.drill.conftest import CURRENT_BRANCH, Captured, Night
from tests.hierarchies import hosts_of_the_lab

from sitekeeper.cli.main import main
from sitekeeper_lab.hierarchy import Hierarchy
from sitekeeper_lab.server import Lab

SERVICES = ("SMS_SITE_COMPONENT_MANAGER", "SMS_EXECUTIVE")
INSTALLER = r"LAB\installer"


class Ward(Night):
    """The lab, its sets, and what an operator does."""

    said = ""
    """What the last command that took up a run printed."""

    def wreck(self, site: str, **how: bool) -> None:
        """The site is lost; the folder for recoveries is made anew, and whoever is to run setup is allowed to."""
        for folder in self.lab.host(site).files.resolve(str(self.lab.hierarchy.hosts[site].sql_work_dir)).iterdir():
            if folder.is_dir():  # of earlier tests
                shutil.rmtree(folder)
        self.lab.operate(site, "wreck", **how)
        if self.lab.site_servers[site].spec.generation != 2007:
            self.lab.operate(site, "allow_setup", account=INSTALLER)

    def compare(self, site: str, chosen: str, *expected: str) -> Outcome:
        """The site against a set."""
        names = "{" + f'"expected": [{", ".join(f"{chr(34)}{one}{chr(34)}" for one in expected)}]' + "}"
        return self.run("--limit", site, "-e", f"set={chosen}", "-e", names, playbook="playbooks/compare.yml")

    def book(self) -> str:
        """The newest recovery book's text."""
        (found,) = (self.root / "book").glob("*.txt")
        return found.read_text()

    def staged(self, site: str) -> list[str]:
        """What lies in the operator's folder beside his marker."""
        spec = self.lab.hierarchy.hosts[site]
        folder = self.lab.host(site).files.resolve(str(spec.sql_work_dir))
        return sorted(path.name for path in folder.iterdir() if path.name != "sitekeeper-work.txt")

    def assert_works(self, site: str) -> None:
        """Services run, the executive's counter grows, and nobody in the hierarchy rejects what is sent."""
        host = self.lab.host(site)
        states = {
            name: (host.machine.services[name].state, host.machine.services[name].start_mode) for name in SERVICES
        }
        assert states == dict.fromkeys(SERVICES, ("Running", "Auto"))
        before, tries = self.counter(site), 0
        while self.counter(site) == before and tries < 100:
            time.sleep(0.05)
            tries += 1
        assert self.counter(site) > before
        assert [one for one in self.lab.exchange() if site in one] == []

    def assert_bare(self, site: str) -> None:
        """No site, no database, nothing of the set; what is kept of the machine, and how setup went, stays."""
        host, holder = self.lab.host(site), self.lab.site_servers[site].instance
        assert host.machine.site is None
        assert holder.database(self.lab.site_servers[site].name) is None
        assert self.staged(site) == []
        work = host.files.resolve("C:\\sitekeeper")
        left = {path.name for folder in work.iterdir() if folder.is_dir() for path in folder.iterdir()}
        assert left <= {"setup", "srvacct", "registry"}

    def again(self, command: str) -> int:
        """Take up the newest run, or take it back."""
        run = max(one.name for one in (self.root / "runs").iterdir() if (one / "journal.db").is_file())
        with contextlib.redirect_stdout(self.capture.text), contextlib.redirect_stderr(io.StringIO()):
            code = main([command, run, "--runs", str(self.root / "runs"), "--json"])
        self.said = self.capture.readouterr().out
        return code

    def counter(self, site: str) -> int:
        """What the executive counts up in its inbox, read from the disk."""
        server = self.lab.site_servers[site]
        return int(server.host.read(f"{server.spec.install}\\inboxes\\labcounter.box\\counter.txt"))


@pytest.fixture(scope="package")
def hierarchy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    """CEN and PR1 (2007), PR2 (current branch), PR3 (2012 R2), PR4 (with its database on DB4): a snapshot set of each,
    and one of the backup task where that is collected."""
    root = tmp_path_factory.mktemp("hierarchy")
    data = hosts_of_the_lab("CEN", "PR1", "PR2")
    hosts = data["hosts"]
    hosts["PR3"] = yaml.safe_load(yaml.safe_dump(hosts["PR2"]))
    hosts["PR3"]["site"]["code"] = "PR3"
    hosts["PR4"], hosts["DB4"] = (yaml.safe_load(yaml.safe_dump(hosts["PR2"])) for _ in range(2))
    hosts["PR4"]["site"] |= {"code": "PR4", "database_host": "DB4"}
    del hosts["PR4"]["sql"], hosts["DB4"]["site"]
    for name in ("PR2", "PR4"):
        hosts[name]["site"]["version"] = CURRENT_BRANCH
    hosts["CEN"]["bias"], hosts["PR1"]["bias"] = -420, 540  # no clock on the wall is UTC
    for number, spec in enumerate(hosts.values(), 1):
        spec["address"] = f"127.81.63.{number}"
        if "site" in spec:
            spec["site"] |= {"size": 0.1}
    with Lab(Hierarchy.model_validate(data), root / "lab") as lab:
        ward = Ward(lab, root, Captured(), ["-e", "settle=0.3s", "-e", "maintenance=none"])
        assert lab.exchange() == []
        for playbook, sites in (("backup", "sites"), ("backup_task", "CEN,PR1,PR2,PR3")):
            made = ward.run("--limit", sites, playbook=f"playbooks/{playbook}.yml")
            assert made.code == 0, [one["error"] for one in made.events if one.get("error")]
        assert lab.exchange() == [], "what was sent after the backup is what a raw restore would repeat"
        yield ward


@pytest.fixture
def ward(hierarchy: Ward, tmp_path: Path) -> Ward:
    """The hierarchy, with a store, books and journals of the test's own.

    An earlier test may have left a site newly installed, which counts from the start: every site goes on behind what others saw.
    """
    for server in hierarchy.lab.site_servers.values():
        if server.host.machine.site is not None:
            server._forward(server._database())
    shutil.copytree(hierarchy.store, tmp_path / "store", symlinks=True)
    return Ward(hierarchy.lab, tmp_path, hierarchy.capture, hierarchy.extra)
