"""Plants each fault of ``faults.toml`` in a copy of the tree and runs the test that must catch it (``make planted``).

``--before COMMIT`` does the same in that commit, with the fields ``before_*`` where files or texts were others then.
A fault with an empty ``before_caught_by`` was caught by no test then, and has a new one now.
``--find TESTS`` runs these for each fault and prints the first that fails, to fill in ``caught_by``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FAULTS = Path(__file__).parent / "faults.toml"


def faults() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads(FAULTS.read_text())["fault"]
    return found


def copy_tree(to: Path, commit: str | None) -> None:
    if commit is None:
        names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
        for name in filter(None, names.split("\0")):
            if (ROOT / name).is_file() or (ROOT / name).is_symlink():
                (to / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, to / name, follow_symlinks=False)
        return
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", str(to)], input=archive, check=True)


def run_tests(tree: Path, tests: list[str]) -> tuple[int, str]:
    """pytest's exit code, and its last lines; everything is imported from the copy, in its child processes too."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--tb=line", "--timeout=60", *tests],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": str(tree / "modules"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout[-4000:]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--before", metavar="COMMIT")
    parser.add_argument("--find", metavar="TESTS")
    parser.add_argument("ids", nargs="*")
    options = parser.parse_args()
    prefix = "before_" if options.before else ""
    missed = 0
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        tree = Path(folder)
        copy_tree(tree, options.before)
        chosen = [one for one in faults() if not options.ids or one["id"] in options.ids]
        if options.before and not options.find:
            chosen = [one for one in chosen if one.get("before_caught_by") != ""]
        if not options.find:
            every = sorted({one.get(f"{prefix}caught_by", one["caught_by"]) for one in chosen})
            code, told = run_tests(tree, every)
            if code != 0:
                print(f"without any fault the tests fail:\n{told}")
                return 1
        for one in chosen:
            file = tree / "modules/sitekeeper" / one.get(f"{prefix}file", one["file"])
            text = file.read_text()
            find, replace = (one.get(f"{prefix}{key}", one[key]) for key in ("find", "replace"))
            if text.count(find) != 1:
                print(f"{one['id']:20} stands {text.count(find)} times in {file.relative_to(tree)}")
                missed += 1
                continue
            file.write_text(text.replace(find, replace))
            began = time.monotonic()
            tests = options.find.split() if options.find else [one.get(f"{prefix}caught_by", one["caught_by"])]
            code, told = run_tests(tree, tests)
            file.write_text(text)
            caught = code == 1
            missed += not caught
            by = next((line.split()[1] for line in told.splitlines() if line.startswith("FAILED ")), "")
            print(
                f"{one['id']:20} {'caught' if caught else 'NOT CAUGHT'} {time.monotonic() - began:6.1f} s  {by}",
                flush=True,
            )
            if code not in {0, 1}:
                print(told)
    print(f"{len(chosen) - missed} of {len(chosen)} faults caught")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
