"""A command of ours in a process of its own, whose clocks are as far ahead as a file says: so that it can be suspended for hours.

A program: ``python -m tests.chaos.sleeper AHEAD ARGUMENTS...``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sitekeeper.cli.main import main

from .ahead import follow

if __name__ == "__main__":
    follow(Path(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
