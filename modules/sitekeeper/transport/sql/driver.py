"""Finds an ODBC driver, and loads pyodbc, which cannot be imported without unixODBC's library."""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from sitekeeper.engine.errors import UsageError

MICROSOFT, FREETDS = "microsoft", "freetds"
_REGISTERED = ("ODBC Driver 18 for SQL Server", "ODBC Driver 17 for SQL Server", "FreeTDS")
_LIBRARIES = ("libltdl.so.7", "libodbcinst.so.2", "libodbc.so.2")
"""In the order in which they depend on each other."""
_loading = threading.Lock()


class SqlDriverMissing(UsageError):  # noqa: N818  # says what is the matter
    """This machine has no ODBC driver manager, or no driver; the hint says what to install."""


@dataclass(frozen=True, slots=True)
class Driver:
    """A driver as a connection string names it."""

    name: str
    """A registered name, or the path of the library."""
    kind: str
    """``microsoft`` or ``freetds``: they quote, encrypt and log in differently."""


def odbc_folder() -> Path:
    """The folder beside the virtual environment where ``.ci/odbc.sh`` unpacks drivers when it is not root."""
    return Path(sys.prefix).parent / ".odbc"


def load() -> ModuleType:
    """Import pyodbc, with unixODBC from the system or from ``odbc_folder``.

    Raises:
        SqlDriverMissing: pyodbc or unixODBC is not installed.

    """
    with _loading:
        if importlib.util.find_spec("pyodbc") is None:
            raise SqlDriverMissing("pyodbc is not installed", hint="pip install 'sitekeeper[sql]'")
        pyodbc = _import() or _import_with(odbc_folder())
        if pyodbc is None:
            raise SqlDriverMissing(
                "pyodbc cannot be loaded: unixODBC (libodbc.so.2) is not installed",
                hint="apt-get install unixodbc tdsodbc",
            )
        # The driver manager's pool reuses sessions without a reset: USE, SET and #tables would leak.
        pyodbc.__dict__["pooling"] = False
        return pyodbc


def _import() -> ModuleType | None:
    try:
        return importlib.import_module("pyodbc")
    except ImportError:
        return None


def _import_with(folder: Path) -> ModuleType | None:
    for name in _LIBRARIES:
        found = next(iter(sorted(folder.glob(f"usr/lib/*/{name}"))), None)
        if found is None:
            return None
        ctypes.CDLL(str(found), mode=ctypes.RTLD_GLOBAL)
    return _import()


def find(wanted: str | None, *, prefer: str | None = None) -> Driver:
    """Find the driver to use.

    Args:
        wanted: a registered name or a path, as configured; None: any installed driver.
        prefer: ``freetds`` or ``microsoft``: take this kind if both are installed.

    Raises:
        SqlDriverMissing: no driver is installed.

    """
    if wanted is not None:
        if "/" in wanted and not Path(wanted).is_file():
            raise SqlDriverMissing(
                f"sql_driver {wanted}: no such file",
                hint="set sql_driver to the path or the registered name of an ODBC driver",
            )
        return Driver(wanted, _kind(wanted))
    found = list_drivers()
    if not found:
        raise SqlDriverMissing(
            "no ODBC driver for SQL Server is installed",
            hint="apt-get install tdsodbc, or Microsoft's msodbcsql18 from packages.microsoft.com",
        )
    return next((driver for driver in found if driver.kind == prefer), found[0])


def list_drivers() -> list[Driver]:
    """Every driver on this machine: registered ones, the one in the ``mssql-python-odbc`` wheel, unpacked ones."""
    registered = set(load().drivers())
    names = [name for name in _REGISTERED if name in registered]
    names += [str(path) for path in (*_from_wheel(), *sorted(odbc_folder().glob("usr/lib/*/odbc/libtdsodbc.so")))]
    return [Driver(name, _kind(name)) for name in names]


def _from_wheel() -> list[Path]:
    spec = importlib.util.find_spec("mssql_python_odbc")
    if spec is None or not spec.submodule_search_locations:
        return []
    root = Path(next(iter(spec.submodule_search_locations)))
    family = "rhel" if Path("/etc/redhat-release").exists() else "debian_ubuntu"
    return sorted(root.glob(f"libs/linux/{family}/*/lib/libmsodbcsql-1*.so*"))


def _kind(name: str) -> str:
    return FREETDS if "tds" in Path(name).name.lower() else MICROSOFT
