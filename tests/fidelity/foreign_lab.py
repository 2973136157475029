"""A lab of one host for clients that are not ours."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sitekeeper_lab.hierarchy import Hierarchy, Ports, load_hierarchy
from sitekeeper_lab.server import Lab

ROOT = Path(__file__).parents[2]
ENGINES = ["python"]
"""What runs the commands behind the wire. A lab with another engine is to be added here and in :func:`running`."""
PWSH = os.environ.get("SITEKEEPER_PWSH") or shutil.which("pwsh")
USER, PASSWORD = "LAB\\backup", "Lab-Backup-1"
ADMIN = {"username": USER, "password": PASSWORD}


def one_host(windows: str = "2012 R2") -> Hierarchy:
    """PR2 of the default hierarchy: a small site with its database, on free ports."""
    hierarchy = load_hierarchy(ROOT / "inventory" / "lab" / "hierarchy.yml")
    host = hierarchy.hosts["PR2"]
    assert host.site is not None
    spec = host.model_copy(update={"windows": windows, "site": host.site.model_copy(update={"size": 0.1})})
    return hierarchy.with_(hosts={"PR2": spec}, ports=Ports(http=0, https=0, sql=0))


@contextmanager
def running(folder: Path, engine: str = "python", hierarchy: Hierarchy | None = None) -> Iterator[Lab]:
    """The lab, until the block ends."""
    assert engine == "python" or PWSH is not None
    with Lab(hierarchy or one_host(), folder, pwsh=Path(PWSH) if PWSH and engine == "pwsh" else None) as lab:
        yield lab


def pipelines(lab: Lab, after: int = 0) -> list[str]:
    """The commands that the host was asked to run, from the lab's audit."""
    return [line["command"] for line in lab.audit_lines(after) if line["event"] == "call"]
