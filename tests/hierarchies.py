"""The lab's default hierarchy, or some hosts of it, for a lab of a test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from sitekeeper_lab.hierarchy import Hierarchy
from sitekeeper_lab.server import Lab

FILE = Path(__file__).resolve().parents[1] / "inventory" / "lab" / "hierarchy.yml"


def hosts_of_the_lab(*names: str, size: float | None = None) -> dict[str, Any]:
    """What ``Hierarchy.model_validate`` takes: these hosts (or all), on free ports, with small sites where ``size`` says so.

    A site whose parent is left out has none.
    """
    data: dict[str, Any] = yaml.safe_load(FILE.read_text())
    data["ports"] = {"http": 0, "https": 0, "sql": 0}
    data["hosts"] = {name: spec for name, spec in data["hosts"].items() if not names or name in names}
    for site in (spec["site"] for spec in data["hosts"].values() if "site" in spec):
        if site.get("parent") not in data["hosts"]:
            site.pop("parent", None)
        if size is not None:
            site["size"] = size
    return data


def database_on_sql1(data: dict[str, Any]) -> None:
    """PR2's database on SQL1, its data and log on two volumes there."""
    site = data["hosts"]["PR2"]
    sql = site.pop("sql")
    site["site"] |= {"database_host": "SQL1", "data": "E:\\MSSQL\\Data", "log": "F:\\Log"}
    data["hosts"]["SQL1"] = {
        "address": "127.81.0.9",
        "windows": "2012 R2",
        "sql": sql,
        "volumes": [{"mount": "C:\\"}, {"mount": "E:\\"}, {"mount": "F:\\"}],
    }


Change = Callable[[dict[str, Any]], None]


@contextmanager
def start_labs(folder: Path) -> Iterator[Callable[[dict[str, Any], Change | None], Lab]]:
    """Starts labs below a folder, each after an optional change of its hierarchy, and stops them at the end."""
    labs: list[Lab] = []

    def start(data: dict[str, Any], change: Change | None) -> Lab:
        if change is not None:
            change(data)
        lab = Lab(Hierarchy.model_validate(data), folder / "lab")
        lab.start()
        labs.append(lab)
        return lab

    yield start
    for lab in labs:
        lab.stop()
