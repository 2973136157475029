"""A bug of ours: short for people, its frames in the run's folder, and never a value of it anywhere."""

from __future__ import annotations

import traceback
from pathlib import Path
from urllib.parse import quote

from sitekeeper.engine.errors import BugError, SitekeeperError


def report(error: BaseException, *, host: str, folder: Path, task: str | None = None) -> BugError:
    """The bug as an error; where it happened goes to a file. Its own message may hold a secret and is not told."""
    file = folder / f"bug-{quote(host, safe='')}.txt"
    hint = f"where it happened is in {file}; please report it"
    try:
        with file.open("a", encoding="utf-8") as out:
            out.write(frames_of(error))
    except OSError:
        hint = "please report it"
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return BugError(f"a bug in sitekeeper: {type(error).__name__}{place}", host=host or None, task=task, hint=hint)


def error_of(error: Exception, *, host: str, folder: Path, task: str | None = None) -> SitekeeperError:
    """Any exception as an error of a host: ours is completed with the host's name, anything else is reported as a bug."""
    if isinstance(error, SitekeeperError):
        return error.at(host=host or None, task=task)
    return report(error, host=host, folder=folder, task=task)


def frames_of(error: BaseException) -> str:
    """Types and frames of an exception and of those behind it, without their messages."""
    text = ""
    behind: BaseException | None = error
    while behind is not None:
        text += f"{type(behind).__name__}\n{''.join(traceback.format_tb(behind.__traceback__))}"
        behind = behind.__cause__ or behind.__context__
        text += "\nwhile handling:\n" if behind is not None else "\n"
    return text
