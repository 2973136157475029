"""Finding drivers, and saying what to install where there are none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from sitekeeper.transport.sql import driver
from sitekeeper.transport.sql.driver import FREETDS, MICROSOFT, Driver, SqlDriverMissing, find, load

LIBRARIES = ("libltdl.so.7", "libodbcinst.so.2", "libodbc.so.2")


def test_the_package_imports_without_pyodbc_and_a_session_says_what_to_install() -> None:
    program = """
import sys
sys.modules["pyodbc"] = None
from sitekeeper.transport.sql.session import SqlDriverMissing, SqlTarget, connect
try:
    connect(SqlTarget("127.0.0.1"))
except SqlDriverMissing as error:
    print(error, error.hint, sep="|")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "pyodbc is not installed|pip install 'sitekeeper[sql]'\n"


def test_a_missing_driver_manager_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("pyodbc", exc_type=ImportError)
    monkeypatch.setattr(driver, "_import", lambda: None)
    monkeypatch.setattr(driver, "odbc_folder", lambda: tmp_path)
    with pytest.raises(SqlDriverMissing, match="unixODBC") as caught:
        load()
    assert caught.value.hint == "apt-get install unixodbc tdsodbc"


def test_a_driver_manager_in_the_folder_beside_the_environment_is_loaded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pyodbc = pytest.importorskip("pyodbc", exc_type=ImportError)
    maps = Path("/proc/self/maps").read_text().splitlines()
    manager = next(Path(line.split()[-1]) for line in maps if "/libodbc.so" in line)
    folder = tmp_path / "usr" / "lib" / "any"
    folder.mkdir(parents=True)
    for name in LIBRARIES:
        if not (manager.parent / name).is_file():
            pytest.skip(f"{name} is not beside {manager}")
        (folder / name).symlink_to(manager.parent / name)
    answers: list[ModuleType | None] = [None, pyodbc]
    monkeypatch.setattr(driver, "_import", lambda: answers.pop(0))
    monkeypatch.setattr(driver, "odbc_folder", lambda: tmp_path)
    assert load() is pyodbc
    assert pyodbc.pooling is False


def test_without_any_driver_the_hint_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "list_drivers", list)
    with pytest.raises(SqlDriverMissing, match="no ODBC driver") as caught:
        find(None)
    assert "tdsodbc" in str(caught.value.hint)


def test_a_configured_path_must_exist(tmp_path: Path) -> None:
    library = tmp_path / "libmsodbcsql-18.6.so.2.1"
    with pytest.raises(SqlDriverMissing, match="no such file"):
        find(str(library))
    library.touch()
    assert find(str(library)) == Driver(str(library), MICROSOFT)
    assert find("FreeTDS") == Driver("FreeTDS", FREETDS)
    assert find("ODBC Driver 18 for SQL Server").kind == MICROSOFT
