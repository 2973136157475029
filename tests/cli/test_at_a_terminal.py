"""What only a terminal sees: tables that fit, and what a Ctrl-C is answered."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.small_store import make_set

from .conftest import Done


def _at_terminal(columns: int, *command: object) -> tuple[int, str]:
    """Exit code, and what was written to a terminal of this width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 25, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES", "NO_COLOR"}}
    child = subprocess.Popen(
        [sys.executable, *map(str, command)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment | {"TERM": "xterm"},
    )
    os.close(theirs)
    told = b""
    try:
        while data := os.read(ours, 4096):
            told += data
    except OSError:
        pass  # EIO: the other end was closed
    os.close(ours)
    return child.wait(), told.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("columns", [40, 80, 100, 250])
def test_a_listing_breaks_no_id_and_no_time(tmp_path: Path, columns: int) -> None:
    make_set(tmp_path, "PR1", 12, "2026-01-02T00:00:00+00:00")
    code, told = _at_terminal(columns, "-m", "sitekeeper.cli.main", "backups", "list", "--store", tmp_path)
    row = r"^ PR1-000012 +PR1 +snapshot +2026-01-02T00:00:00 .*writer"
    assert (code, len(re.findall(row, told, re.MULTILINE))) == (0, 1)
    assert ("restore drills" in told) == (columns == 250)
    assert ("no room for: feeds" in told) == (columns != 250)
    if columns >= 80:
        assert max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in told.splitlines()) <= columns


def test_a_listing_of_runs_breaks_no_id(sitekeeper: Callable[..., Done], place: Path) -> None:
    sitekeeper("run", place / "play.yml", "-i", place / "hosts.yml")
    (folder,) = (place / "runs").glob("2*")
    _, told = _at_terminal(40, "-m", "sitekeeper.cli.main", "runs", "list", "--runs", place / "runs")
    assert f" {folder.name} " in told


def test_a_piped_table_is_a_line_a_row_without_blanks_at_its_end(
    sitekeeper: Callable[..., Done], tmp_path: Path
) -> None:
    make_set(tmp_path, "PR1", 1, "2026-01-02T00:00:00+00:00", more={f"C/{'long ' * 45}name": b"x"})
    listed, files = (
        sitekeeper("backups", *one, "--store", tmp_path).out.splitlines() for one in (("list",), ("files", "PR1"))
    )
    assert [*listed, *files] == [line.rstrip() for line in (*listed, *files)]
    assert any(f"C/{'long ' * 45}name" in line for line in files)


STOPPED = """\
import os, signal
from threading import Event
from sitekeeper.cli.common import wiring

class Run:
    run_id = "r1"
    stop = Event()
    def interrupt(self): self.stop.set()
    def leave(self): pass

with wiring._stopping(Run()):
    os.kill(os.getpid(), signal.SIGINT)
    print("FIRST", flush=True)
    os.kill(os.getpid(), signal.SIGINT)
print("never")
"""


def test_a_first_ctrl_c_is_answered_at_once_and_a_second_shows_the_cursor_again() -> None:
    code, told = _at_terminal(80, "-c", STOPPED)
    first, _, second = told.partition("FIRST\n")
    assert (code, first.count("\n"), "a second Ctrl-C leaves at once" in first) == (14, 1, True)
    assert second.startswith("\x1b[?25hleft at once: ")
    assert "rollback r1" in second
    assert "never" not in second


STARTING = """\
import os, signal, sys
from sitekeeper.cli.main import main

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "sitekeeper.engine.errors":
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests in the background has it ignored
sys.meta_path.insert(0, Interrupting())
sys.exit(main(["modules", "list"]))
"""


def test_a_ctrl_c_while_the_program_starts() -> None:
    done = subprocess.run([sys.executable, "-c", STARTING], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (14, "", "interrupted: nothing was begun\n")
