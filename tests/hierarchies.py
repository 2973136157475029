"""The lab's default hierarchy, or some hosts of it, for a lab of a test's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

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
