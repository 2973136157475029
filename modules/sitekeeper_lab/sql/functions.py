"""T-SQL's functions, as far as the lab has them: each with the type of its result."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from sitekeeper_lab.sql.convert import Value, convert, moment_text, to_text
from sitekeeper_lab.sql.datatypes import SqlType, parse_type
from sitekeeper_lab.sql.datemath import date_add, date_diff, date_part
from sitekeeper_lab.sql.failure import not_emulated
from sitekeeper_lab.sql.releases import engine_edition
from sitekeeper_lab.sql.state import SYSTEM_IDS, SessionState

Body = Callable[..., Any]
SAME = "same"
"""The result has the type of the first argument."""
TEXT = "text"
"""The result is text of any length that fits: nvarchar(4000), or max when the first argument is."""
WIDEST = "widest"
"""The result has the widest type of all arguments."""
TYPED = "typed"
"""The result's type is the name in the first (CONVERT) or second (CAST) argument."""


@dataclass(frozen=True, slots=True)
class Function:
    """One function: its result's type (a T-SQL type, ``same`` or ``typed``) and what computes it."""

    returns: str
    body: Body

    def result(self, first: SqlType | None) -> SqlType | None:
        """The type of a call whose first argument has this type."""
        if self.returns == TEXT:
            return first if first is not None and first.length == -1 else SqlType("nvarchar", 4000)
        return first if self.returns in {SAME, WIDEST} else None if self.returns == TYPED else parse_type(self.returns)


def _strict(body: Callable[..., Any]) -> Body:
    """Wrap: NULL in, NULL out."""

    def call(*values: Value) -> Any:
        return None if any(value is None for value in values) else body(*values)

    return call


def _plus(left: Value, right: Value) -> Value:
    if left is None or right is None:
        return None
    if isinstance(left, str) and isinstance(right, str):
        return left + right
    if isinstance(left, bytes) and isinstance(right, bytes):
        return left + right
    integer = SqlType("int")
    a, b = (convert(value, integer) if isinstance(value, str) else value for value in (left, right))
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return a + b
    raise not_emulated(f"{type(left).__name__} + {type(right).__name__}")


def like_pattern(pattern: str, escape: str | None) -> re.Pattern[str]:
    """T-SQL's LIKE pattern as a regular expression, without regard to case."""
    out, at = [], 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == escape and at < len(pattern):
            out.append(re.escape(pattern[at]))
            at += 1
        elif char == "%":
            out.append(".*")
        elif char == "_":
            out.append(".")
        elif char == "[" and "]" in pattern[at + 1 :]:
            end = pattern.index("]", at + 1)
            inner = pattern[at:end].replace("\\", "\\\\").replace("[", "\\[")
            out.append(f"[{inner}]")
            at = end + 1
        else:
            out.append(re.escape(char))
    return re.compile("".join(out), re.IGNORECASE | re.DOTALL)


def _like(value: Value, pattern: Value, escape: Value = None) -> int | None:
    if value is None or pattern is None:
        return None
    wanted = like_pattern(str(pattern), None if escape is None else str(escape))
    return int(wanted.fullmatch(to_text(value)) is not None)


def _substring(text: Value, start: int, length: int) -> Value:
    begin, end = max(start - 1, 0), max(start - 1 + length, 0)
    return text[begin:end] if isinstance(text, (str, bytes)) else to_text(text)[begin:end]


def _data_length(value: Value) -> int:
    return len(value) if isinstance(value, bytes) else 2 * len(value) if isinstance(value, str) else 4


def _cast(value: Value, kind: str) -> Value:
    return convert(value, parse_type(kind))


def _convert(kind: str, value: Value, style: int | None = None) -> Value:
    return convert(value, parse_type(kind), style)


def _coalesce(*values: Value) -> Value:
    return next((value for value in values if value is not None), None)


PURE: dict[str, Function] = {
    "cast": Function(TYPED, _cast),
    "convert": Function(TYPED, _convert),
    "plus": Function(SAME, _plus),
    "like": Function("int", _like),
    "isnull": Function(SAME, _coalesce),
    "coalesce": Function(WIDEST, _coalesce),
    "nullif": Function(SAME, lambda a, b: None if a == b else a),
    "len": Function("int", _strict(lambda text: len(to_text(text).rstrip(" ")))),
    "datalength": Function("int", _strict(_data_length)),
    "upper": Function(SAME, _strict(lambda text: to_text(text).upper())),
    "lower": Function(SAME, _strict(lambda text: to_text(text).lower())),
    "ltrim": Function(SAME, _strict(lambda text: to_text(text).lstrip(" "))),
    "rtrim": Function(SAME, _strict(lambda text: to_text(text).rstrip(" "))),
    "left": Function(SAME, _strict(lambda text, count: to_text(text)[:count])),
    "right": Function(SAME, _strict(lambda text, count: to_text(text)[-count:] if count else "")),
    "substring": Function(SAME, _strict(_substring)),
    "replace": Function(
        TEXT, _strict(lambda text, old, new: re.sub(re.escape(old), lambda _m: str(new), text, flags=re.IGNORECASE))
    ),
    "replicate": Function(TEXT, _strict(lambda text, count: to_text(text) * count)),
    "charindex": Function("int", _strict(lambda part, text: str(text).lower().find(str(part).lower()) + 1)),
    "quotename": Function("nvarchar(258)", _strict(lambda text: "[" + str(text).replace("]", "]]") + "]")),
    "abs": Function(SAME, _strict(abs)),
    "dateadd": Function("datetime", _strict(date_add)),
    "datediff": Function("int", _strict(date_diff)),
    "datepart": Function("int", _strict(date_part)),
    "newid": Function("uniqueidentifier", lambda: str(uuid.uuid4()).upper()),
}


def session_functions(state: SessionState) -> dict[str, Function]:
    """The functions whose answer depends on the session."""
    instance = state.instance

    def now(zone: Any, kind: str) -> Callable[[], str]:
        def read() -> str:
            moment = instance.clock()
            return moment_text(moment.astimezone(zone).replace(tzinfo=None) if zone else instance.local(moment), kind)

        return read

    def server_property(name: str) -> Value:
        properties = _server_properties(state)
        if name.lower() not in properties:
            raise not_emulated(f"SERVERPROPERTY('{name}')")
        return properties[name.lower()]

    def global_value(name: str) -> Value:
        values: dict[str, Value] = {
            "version": instance.release.banner(instance.edition),
            "servername": instance.server_name,
            "servicename": instance.name,
            "spid": state.spid,
            "trancount": state.transaction,
            "rowcount": state.row_count,
            "error": state.error,
            "language": "us_english",
            "max_precision": 38,
            "microsoftversion": int(instance.version.split(".")[0]) << 24,
        }
        if name not in values:
            raise not_emulated(f"@@{name}")
        return values[name]

    def database_property(name: str, wanted: str) -> Value:
        database = instance.database(name)
        options = database.options() if database else {}
        properties: dict[str, Value] = {
            "collation": options.get("collation", instance.collation),
            "recovery": options.get("recovery", "SIMPLE"),
            "status": "ONLINE",
            "updateability": "READ_WRITE",
        }
        if state.database_id(name) is None:
            return None
        if wanted.lower() not in properties:
            raise not_emulated(f"DATABASEPROPERTYEX(..., '{wanted}')")
        return properties[wanted.lower()]

    def member(role: str) -> int:
        return int(role.lower() == "public" or "sysadmin" in state.login.roles or role.lower() in state.login.roles)

    return {
        "getdate": Function("datetime", now(None, "datetime")),
        "getutcdate": Function("datetime", now(UTC, "datetime")),
        "sysdatetime": Function("datetime2", now(None, "datetime2")),
        "sysutcdatetime": Function("datetime2", now(UTC, "datetime2")),
        "suser_sname": Function("nvarchar(128)", lambda sid=None: _login_name(state, sid)),
        "suser_name": Function("nvarchar(128)", lambda: state.login.name),
        "original_login": Function("nvarchar(128)", lambda: state.login.name),
        "suser_sid": Function("varbinary(85)", lambda name=None: _login_sid(state, name)),
        "user_name": Function("nvarchar(128)", lambda: "dbo"),
        "host_name": Function("nvarchar(128)", lambda: state.host),
        "app_name": Function("nvarchar(128)", lambda: state.application),
        "db_name": Function(
            "nvarchar(128)", lambda number=0: state.database_name(number) if number else state.database
        ),
        "db_id": Function("smallint", lambda name=None: state.database_id(name or state.database)),
        "has_dbaccess": Function(
            "int",
            lambda name: (
                None if state.database_id(name) is None else int(state.login.may_use(name) or name in SYSTEM_IDS)
            ),
        ),
        "is_srvrolemember": Function("int", lambda role, _login=None: member(role)),
        "is_member": Function("int", member),
        "serverproperty": Function("sql_variant", server_property),
        "databasepropertyex": Function("sql_variant", database_property),
        "global": Function(SAME, global_value),
    }


GLOBAL_TYPES = {
    "version": "nvarchar(300)",
    "servername": "nvarchar(128)",
    "servicename": "nvarchar(128)",
    "language": "nvarchar(128)",
    "spid": "smallint",
    "max_precision": "tinyint",
}
"""Types of ``@@name``; the others are int."""


def _server_properties(state: SessionState) -> dict[str, Value]:
    instance = state.instance
    named = instance.name.upper() != "MSSQLSERVER"
    return {
        "productversion": instance.version,
        "productlevel": instance.release.level,
        "edition": instance.edition,
        "engineedition": engine_edition(instance.edition),
        "servername": instance.server_name,
        "machinename": instance.host,
        "computernamephysicalnetbios": instance.host,
        "instancename": instance.name if named else None,
        "collation": instance.collation,
        "isclustered": 0,
        "isintegratedsecurityonly": 0,
        "ishadrenabled": 0 if instance.release.major >= 11 else None,
        "processid": 1234,
    }


def _login_name(state: SessionState, sid: bytes | None) -> str | None:
    if sid is None:
        return state.login.name
    return next((login.name for login in state.instance.logins if login.security_id == sid), None)


def _login_sid(state: SessionState, name: str | None) -> bytes | None:
    login = state.login if name is None else state.instance.login(name)
    return None if login is None else login.security_id
