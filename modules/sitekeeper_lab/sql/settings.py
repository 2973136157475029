"""Settings of databases and of the instance: ALTER DATABASE, ALTER AUTHORIZATION, sp_configure; DROP DATABASE."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from sitekeeper_lab.sql import reply
from sitekeeper_lab.sql.convert import Value, convert
from sitekeeper_lab.sql.datatypes import SqlType
from sitekeeper_lab.sql.failure import SqlFailure, not_emulated
from sitekeeper_lab.sql.files import Database
from sitekeeper_lab.sql.lexer import Token, join
from sitekeeper_lab.sql.reply import Reply
from sitekeeper_lab.sql.state import SessionState

_SWITCHES = {"TRUSTWORTHY": "trustworthy", "HONOR_BROKER_PRIORITY": "honor_broker_priority"}


def alter(tokens: Sequence[Token], state: SessionState) -> None:
    """Run one ALTER statement."""
    what = tokens[1].upper
    if what == "DATABASE" and tokens[3].upper == "SET":
        _set(_database(tokens[2].value, state), tokens[4:], state)
    elif what == "AUTHORIZATION" and [token.upper for token in tokens[2:5]] == ["ON", "DATABASE", "::"]:
        _authorize(_database(tokens[5].value, state), tokens[7].value, state)
    else:
        raise not_emulated(join(tokens[:4]))


def _database(name: str, state: SessionState) -> Database:
    database = state.instance.database(name)
    if database is None:
        text = (
            f"User does not have permission to alter database '{name}', the database does not exist, or the database "
        )
        raise SqlFailure(5011, text + "is not in a state that allows access checks.", 14, 5)
    return database


def _set(database: Database, tokens: Sequence[Token], state: SessionState) -> None:
    words = [token.upper for token in tokens]
    if words[-3:] == ["WITH", "ROLLBACK", "IMMEDIATE"]:
        state.instance.activity.end_others(database.name, state.spid)
        tokens = tokens[:-3]
    option, value = tokens[0].upper, tokens[1].upper if len(tokens) > 1 else ""
    if option in _SWITCHES and value in {"ON", "OFF"}:
        database.set_option(_SWITCHES[option], str(int(value == "ON")))
    elif option in {"SINGLE_USER", "MULTI_USER"}:
        database.set_option("user_access", option)
    elif option in {"ENABLE_BROKER", "DISABLE_BROKER"}:
        if option == "ENABLE_BROKER":
            _refuse_second_broker(database, state)
        database.set_option("broker", str(int(option == "ENABLE_BROKER")))
    elif option == "NEW_BROKER":
        database.set_option("broker_guid", str(uuid.uuid4()))
        database.set_option("broker", "1")
    elif option == "RECOVERY" and value in {"FULL", "SIMPLE", "BULK_LOGGED"}:
        database.set_option("recovery", value)
    elif option == "COMPATIBILITY_LEVEL" and value == "=":
        database.set_option("compatibility", tokens[2].text)
    else:
        raise not_emulated(f"ALTER DATABASE ... SET {join(tokens)}")


def _refuse_second_broker(database: Database, state: SessionState) -> None:
    guid = database.options()["broker_guid"]
    for other in state.instance.databases.values():
        options = other.options()
        if other is not database and options["broker"] == "1" and options["broker_guid"] == guid:
            text = f'The Service Broker in database "{database.name}" cannot be enabled because there is already an enabled '
            raise SqlFailure(9772, text + "Service Broker with the same ID.")


def drop(tokens: Sequence[Token], state: SessionState, out: Reply, _value: object) -> None:
    """Run one DROP statement: a database with its files."""
    if tokens[1].upper != "DATABASE" or len(tokens) != 3:
        raise not_emulated(join(tokens[:4]))
    instance = state.instance
    there = instance.database(tokens[2].value)
    name = there.name if there is not None else tokens[2].value
    if there is None and name not in instance.restoring:
        text = f"Cannot drop the database '{name}', because it does not exist or you do not have permission."
        raise SqlFailure(3701, text, 11)
    if state.database == name or instance.activity.others_in(name, state.spid):
        raise SqlFailure(3702, f'Cannot drop database "{name}" because it is currently in use.', 16, 4)
    instance.drop_database(name)
    out.done(None)


def _authorize(database: Database, name: str, state: SessionState) -> None:
    login = state.instance.login(name)
    if login is None:
        text = f"Cannot find the principal '{name}', because it does not exist or you do not have permission."
        raise SqlFailure(15151, text)
    database.set_option("owner_sid", login.security_id.hex())


def configure(state: SessionState, out: Reply, arguments: Sequence[Value]) -> None:
    """Run sp_configure: list one setting, or change it."""
    values = state.instance.configuration
    name = str(arguments[0]) if arguments else ""
    found = next((known for known in values if known.lower() == name.lower()), None)
    if found is None:
        raise SqlFailure(15123, f"The configuration option '{name}' does not exist, or it may be an advanced option.")
    integer = SqlType("int")
    if len(arguments) > 1:
        old, new = values[found], int(str(convert(arguments[1], integer)))
        values[found] = new
        text = f"Configuration option '{found}' changed from {old} to {new}. Run the RECONFIGURE statement to install."
        out.info(15457, text)
        return
    out.columns(
        [
            reply.Column("name", SqlType("nvarchar", 35)),
            *(reply.Column(each, integer) for each in ("minimum", "maximum", "config_value", "run_value")),
        ]
    )
    out.row((found, 0, 2147483647, values[found], values[found]))
    out.done(1, reply.SELECT)
