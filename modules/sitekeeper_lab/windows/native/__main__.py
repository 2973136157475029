"""``python -m sitekeeper_lab.windows.native <state>/<host> <tool> arguments…``: one tool over a host's state on disk."""

from __future__ import annotations

import sys
from pathlib import Path

from sitekeeper_lab.host import Host
from sitekeeper_lab.windows.native import find_tool
from sitekeeper_lab.windows.native.answer import NotEmulated

_USAGE, _MISSING, _LOUD = 2, 9009, 255


def main(arguments: list[str]) -> int:
    """Run it; 9009 is what cmd.exe says of a command that does not exist."""
    if len(arguments) < 2:
        sys.stderr.write("usage: python -m sitekeeper_lab.windows.native HOST_FOLDER TOOL [ARGUMENT]...\n")
        return _USAGE
    host = Host.load(Path(arguments[0]))
    tool = find_tool(arguments[1], host)
    if tool is None:
        sys.stderr.write(f"'{arguments[1]}' is not recognized\n")
        return _MISSING
    try:
        answer = tool(arguments[2:], host)
    except NotEmulated as error:
        sys.stderr.write(f"emulator: {error}\n")
        return _LOUD
    sys.stdout.write("".join(f"{line}\n" for line in answer.lines))
    sys.stderr.write("".join(f"{line}\n" for line in answer.errors))
    return answer.code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
