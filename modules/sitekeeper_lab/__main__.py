"""``python -m sitekeeper_lab up|status|down|...``: the lab without sitekeeper."""

from __future__ import annotations

import argparse
import sys

from sitekeeper_lab.lab_command import LabError, add_verbs


def main() -> int:
    """Run one verb; returns its exit code."""
    parser = argparse.ArgumentParser(prog="sitekeeper-lab", description="A simulated hierarchy on loopback.")
    add_verbs(parser)
    options = parser.parse_args()
    try:
        return int(options.work(options))
    except LabError as error:
        sys.stderr.write(f"error[{error.word}]: {error}\n" + (f"  hint: {error.hint}\n" if error.hint else ""))
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
