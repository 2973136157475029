"""A command of ours in a process that kills itself: right after the n-th time that one of its own functions was called."""

from __future__ import annotations

_SCRIPT = """\
import os, sys
from sitekeeper.cli.main import main

def kill_after(work, number):
    calls = 0
    def done(*given, **named):
        nonlocal calls
        made = work(*given, **named)
        calls += 1
        if calls == number:
            os._exit(9)
        return made
    return done

{where}
sys.exit(main(sys.argv[1:]))
"""


def killed(where: str) -> str:
    """The program; ``where`` is a line of Python that puts ``kill_after(function, number)`` into the function's place."""
    return _SCRIPT.format(where=where)
