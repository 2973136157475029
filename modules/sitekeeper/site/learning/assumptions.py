"""Checks our assumptions about site servers on a real one: read-only, leaves nothing behind.

The same assumptions are in docs/unverified.md, each with the command for a manual check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from sitekeeper.engine.errors import AuthError, RemoteError, SitekeeperError, UnreachableError
from sitekeeper.engine.session import Call, Context
from sitekeeper.model.site import STOPPED_FOR_BACKUP
from sitekeeper.site.learning.machine_facts import parse_dmtf
from sitekeeper.site.learning.site_facts import site_facts
from sitekeeper.windows.vss import tool_texts

_VIEWS = ("native", "wow")
_MOST = 2**63
_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class AssumptionResult:
    """One assumption, and what the host returned."""

    believed: str
    status: Literal["ok", "differs", "unknown"]
    """unknown: this host cannot show it."""
    saw: str


def ask_all(ctx: Context) -> Iterator[AssumptionResult]:
    """Check every assumption; a check that fails counts as ``differs``.

    Raises:
        UnreachableError, AuthError: the host cannot be asked at all.

    """
    for believed, ask in _ASSUMPTIONS:
        try:
            status, saw = ask(ctx)
        except (UnreachableError, AuthError):
            raise
        except SitekeeperError as error:
            status, saw = "differs", error.message
        yield AssumptionResult(believed, status, saw)


_Answer = tuple[Literal["ok", "differs", "unknown"], str]


def _registry(ctx: Context) -> _Answer:
    asked = [(view, name) for view in _VIEWS for name in ("Setup", "Identification", "SQL Server")]
    answers = ctx.ps.read([Call("Read-SkKey", {"Name": name, "View": view}) for view, name in asked])
    values = {one: dict(answer.output[0]) for one, answer in zip(asked, answers, strict=True) if answer.output}
    for view in _VIEWS:
        if values.get((view, "Setup"), {}).get("Installation Directory"):
            wanted = (("Identification", "Site Code"), ("SQL Server", "Server"), ("SQL Server", "Database Name"))
            missing = [f"{key}: {value}" for key, value in wanted if not values.get((view, key), {}).get(value)]
            saw = f"{view} view, " + (f"without {', '.join(missing)}" if missing else "with all of them")
            return ("differs" if missing else "ok"), saw
    return "differs", "SMS\\Setup has no Installation Directory in either view"


def _facts(ctx: Context) -> _Answer:
    site = site_facts(ctx)
    where = f"{site.database.name} on {site.database.server}" if site.database is not None else "no database"
    return "ok", f"site {site.code}, version {site.version}, {where}"


def _services(ctx: Context) -> _Answer:
    where = " OR ".join(f"Name='{name}'" for name in STOPPED_FOR_BACKUP)
    rows = ctx.ps.call("Get-WmiObject", Query=f"SELECT Name,State,StartMode,ProcessId FROM Win32_Service WHERE {where}")  # noqa: S608 - WQL of our own names
    found = {str(row["Name"]).upper(): f"{row['Name']} {row['State']} ({row['StartMode']})" for row in rows}
    missing = [name for name in STOPPED_FOR_BACKUP if name not in found]
    return ("differs" if missing else "ok"), ", ".join([*found.values(), *(f"no {name}" for name in missing)])


def _writers(ctx: Context) -> _Answer:
    found = _list_writers(ctx)
    if not any(one.id == tool_texts.SQL_WRITER for one in found):
        return "differs", f"{len(found)} writers, but none with the id of SqlServerWriter"
    return "ok", f"{len(found)} writers, SqlServerWriter among them"


def _no_error(ctx: Context) -> _Answer:
    texts = {one.last_error for one in _list_writers(ctx) if one.state == tool_texts.STABLE}
    if len(texts) == 1:
        return "ok", f"{texts.pop()!r} of every stable writer"
    return ("unknown" if not texts else "differs"), f"{len(texts)} texts: {', '.join(sorted(map(repr, texts)))}"


def _list_writers(ctx: Context) -> list[tool_texts.Writer]:
    (row,) = ctx.ps.call("Get-SkVssWriter")
    try:
        return tool_texts.read_writers(str(row["Text"]))
    except ValueError as error:
        raise RemoteError(str(error)) from None


def _shadow_storage(ctx: Context) -> _Answer:
    rows = ctx.ps.call("Get-WmiObject", Class="Win32_ShadowStorage")
    most = sorted({int(row["MaxSpace"]) for row in rows})
    big = [one for one in most if one >= _MOST]
    if not big:
        return "unknown", f"{len(rows)} storage areas, none of them is unbounded"
    return ("ok" if big == [2**64 - 1] else "differs"), f"MaxSpace {', '.join(map(str, big))}"


def _clock(ctx: Context) -> _Answer:
    (row,) = ctx.ps.call("Get-WmiObject", Class="Win32_OperatingSystem")
    ahead = parse_dmtf(str(row["LocalDateTime"])) - ctx.clock.now()
    return (
        "ok" if abs(ahead) <= _SKEW else "differs"
    ), f"{ahead.total_seconds():+.0f} s from the clock of this machine"


def _lease(ctx: Context) -> _Answer:
    (row,) = ctx.ps.call("Get-WmiObject", Class="Win32_OperatingSystem", Property=["SystemDrive"])
    rows = ctx.ps.call("Read-SkLease", Drive=str(row["SystemDrive"])[0].upper())
    return "ok", f"held by run {rows[0]['Run']} until {rows[0]['Expires']}" if rows else "free"


_ASSUMPTIONS: tuple[tuple[str, Callable[[Context], _Answer]], ...] = (
    ("our functions load, and the lease can be read", _lease),
    ("the clock is near ours", _clock),
    ("the registry names site and database: Identification, SQL Server", _registry),
    ("sitecomp.exe has the version, the site database answers", _facts),
    ("component manager and executive are the services to stop", _services),
    ("vssadmin lists every writer by an id and a state number", _writers),
    ("vssadmin writes one text for every writer without an error", _no_error),
    ("unbounded shadow storage reads as 2^64-1", _shadow_storage),
)
