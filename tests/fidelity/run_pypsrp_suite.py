"""Runs pypsrp's own live tests, from a checkout of pypsrp, against a lab, and says which passed.

``python -m tests.fidelity.run_pypsrp_suite CHECKOUT [ENGINE]`` prints it; ``test_pypsrp_suite`` compares it with a list.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

from sitekeeper_lab.server import Lab

from .foreign_lab import PASSWORD, ROOT, USER, one_host, running

NEEDS = ("pytest_mock", "xmldiff", "yaml")
"""What their tests import besides pypsrp and pytest."""


def unfit(source: Path) -> str | None:
    """Why the suite of a checkout cannot be run here; None if it can."""
    if lacking := [name for name in NEEDS if importlib.util.find_spec(name) is None]:
        return f"pypsrp's tests need {', '.join(lacking)}"
    if not (source / "tests" / "tests_pypsrp" / "conftest.py").is_file():
        return f"{source} has no tests of pypsrp"
    version = importlib.metadata.version("pypsrp")
    if f'version = "{version}"' not in (source / "pyproject.toml").read_text():
        return f"{source} is not version {version} of pypsrp, which is installed"
    return None


def outcomes(source: Path, lab: Lab, folder: Path) -> Mapping[str, str]:
    """Every live test of the suite: empty where it passed, else what it said (one line)."""
    machine = lab.machines["PR2"].wsman
    tests = folder / "tests"  # a copy, without the settings that lie above it
    shutil.copytree(source / "tests", tests, dirs_exist_ok=True)
    certificates = folder / "client"
    certificates.mkdir()
    certificate, key = lab.authority.client("backup", lab.hierarchy.dns)
    shutil.copyfile(certificate, certificates / "cert.pem")
    shutil.copyfile(key, certificates / "cert_key.pem")
    report = folder / "report.xml"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "-p", "only_live"),
            *("--rootdir", str(tests), "-c", os.devnull, "--timeout", "60", f"--junitxml={report}", str(tests)),
        ],
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"},  # meant for our tests
            "PYTHONPATH": str(ROOT / "tests" / "fidelity"),
            "PYPSRP_RUN_INTEGRATION": "1",
            "PYPSRP_SERVER": machine.address,
            "PYPSRP_USERNAME": USER,
            "PYPSRP_PASSWORD": PASSWORD,
            "PYPSRP_PORT": str(machine.https_port),
            "PYPSRP_HTTP_PORT": str(machine.http_port),
            "PYPSRP_HTTPS_PORT": str(machine.https_port),
            "PYPSRP_CERT_DIR": str(certificates),
            "no_proxy": "*",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode in {0, 1}, done.stdout + done.stderr
    return {_name(case): _said(case) for case in ET.parse(report).iter("testcase")}  # noqa: S314 - pytest wrote it


def _name(case: ET.Element) -> str:
    """``test_shell::test_winrs_send``: their modules hold one class each, their live tests one parameter."""
    module = next(part for part in str(case.get("classname")).split(".") if part.startswith("test_"))
    return f"{module}::{str(case.get('name')).partition('[')[0]}"


def _said(case: ET.Element) -> str:
    for kind in ("failure", "error", "skipped"):
        found = case.find(kind)
        if found is not None:
            return f"{kind}: {' '.join(str(found.get('message')).split())}"
    return ""


def main(source: Path, engine: str) -> None:
    """Print the failures and how many passed."""
    if why := unfit(source):
        raise SystemExit(why)
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder) / "lab", engine, one_host("2016")) as lab,
    ):
        found = outcomes(source, lab, Path(folder))
    for name, said in sorted(found.items()):
        if said:
            print(f"{name}: {said}")
    print(f"{sum(not said for said in found.values())} of {len(found)} passed")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "python")
