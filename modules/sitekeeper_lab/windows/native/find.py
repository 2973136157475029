"""find.exe [/i] "TEXT" [FILE]: the lines with a text, of a file or of what is piped in."""

from __future__ import annotations

from collections.abc import Sequence

from sitekeeper_lab.host import Host
from sitekeeper_lab.windows.native.answer import Answer, NotEmulated


def find(arguments: Sequence[str], host: Host, given: Sequence[str] | None = None) -> Answer:
    """Exit 0 where a line was found, else 1. The head over a file's lines is left out: nobody reads it."""
    words = list(arguments)
    switches: set[str] = set()
    while words and words[0].startswith("/"):
        switches.add(words.pop(0).lower())
    if switches - {"/i"} or not 1 <= len(words) <= 2:
        raise NotEmulated(f"find.exe {' '.join(arguments)}")
    if len(words) == 2:
        if not host.exists(words[1]):
            return Answer([], 1, [f"File not found - {words[1].upper()}"])
        given = host.read(words[1]).decode("utf-8", "replace").splitlines()
    elif given is None:
        raise NotEmulated("find.exe reading from a console")
    text = words[0].lower() if switches else words[0]
    found = [line for line in given if text in (line.lower() if switches else line)]
    return Answer(found, 0 if found else 1)
