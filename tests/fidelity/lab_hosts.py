"""A host of the lab on disk, of the release of Windows that a recording is of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sitekeeper_lab.audit import Audit
from sitekeeper_lab.build import build_host
from sitekeeper_lab.clock import LabClock, Scheduler
from sitekeeper_lab.hierarchy import Ports, load_hierarchy
from sitekeeper_lab.host import Host
from sitekeeper_lab.windows.native import find_tool
from sitekeeper_lab.windows.native.answer import Answer

ROOT = Path(__file__).parents[2]


@contextmanager
def lab_host(folder: Path, windows: str) -> Iterator[Host]:
    """The site server PR2 of the lab, with this Windows on it."""
    hierarchy = load_hierarchy(ROOT / "inventory" / "lab" / "hierarchy.yml")
    spec = hierarchy.hosts["PR2"]
    assert spec.site is not None
    spec = spec.model_copy(update={"windows": windows, "site": spec.site.model_copy(update={"size": 0.1})})
    hierarchy = hierarchy.with_(hosts={**hierarchy.hosts, "PR2": spec}, ports=Ports(http=0, https=0, sql=0))
    clock = LabClock()
    scheduler = Scheduler(clock)
    scheduler.start()
    audit = Audit(folder / "audit.jsonl", clock)
    yield build_host(folder, "PR2", hierarchy, clock=clock, audit=audit, timers=scheduler)
    scheduler.stop()
    audit.close()


def tool(host: Host, name: str, *arguments: str) -> Answer:
    """What one of Windows' own tools prints there."""
    found = find_tool(name, host)
    assert found is not None, f"{name} is not on this Windows"
    return found(arguments, host)
