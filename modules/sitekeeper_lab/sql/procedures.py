"""Procedure calls: prepared statements, and what drivers ask for by themselves when they connect."""

from __future__ import annotations

from collections.abc import Sequence

from sitekeeper_lab.sql import reply
from sitekeeper_lab.sql.batch import Batch
from sitekeeper_lab.sql.convert import Value, convert
from sitekeeper_lab.sql.datatypes import SqlType, parse_type
from sitekeeper_lab.sql.execution import Variables
from sitekeeper_lab.sql.failure import SqlFailure, not_emulated
from sitekeeper_lab.sql.lexer import join, split_commas, tokenize
from sitekeeper_lab.sql.rpc import Call, Parameter
from sitekeeper_lab.sql.tokens import TokenWriter

_TYPE_COLUMNS = (
    ("TYPE_NAME", "nvarchar(128)"),
    ("DATA_TYPE", "smallint"),
    ("PRECISION", "int"),
    ("LITERAL_PREFIX", "varchar(32)"),
    ("LITERAL_SUFFIX", "varchar(32)"),
    ("CREATE_PARAMS", "varchar(32)"),
    ("NULLABLE", "smallint"),
    ("CASE_SENSITIVE", "smallint"),
    ("SEARCHABLE", "smallint"),
    ("UNSIGNED_ATTRIBUTE", "smallint"),
    ("MONEY", "smallint"),
    ("AUTO_INCREMENT", "smallint"),
    ("LOCAL_TYPE_NAME", "nvarchar(128)"),
    ("MINIMUM_SCALE", "smallint"),
    ("MAXIMUM_SCALE", "smallint"),
    ("SQL_DATA_TYPE", "smallint"),
    ("SQL_DATETIME_SUB", "smallint"),
    ("NUM_PREC_RADIX", "int"),
    ("INTERVAL_PRECISION", "smallint"),
    ("USERTYPE", "smallint"),
)
_TYPES = (
    ("nvarchar", -9, 4000, "N'", "'", "max length"),
    ("nchar", -8, 4000, "N'", "'", "length"),
    ("varbinary", -3, 8000, "0x", None, "max length"),
    ("binary", -2, 8000, "0x", None, "length"),
    ("char", 1, 8000, "'", "'", "length"),
    ("decimal", 3, 38, None, None, "precision,scale"),
    ("int", 4, 10, None, None, None),
    ("smallint", 5, 5, None, None, None),
    ("float", 6, 53, None, None, None),
    ("varchar", 12, 8000, "'", "'", "max length"),
    ("bigint", -5, 19, None, None, None),
    ("tinyint", -6, 3, None, None, None),
    ("bit", -7, 1, None, None, None),
    ("uniqueidentifier", -11, 36, "'", "'", None),
    ("date", 91, 10, "'", "'", None),
    ("datetime", 93, 23, "'", "'", None),
    ("datetime2", 93, 27, "'", "'", "scale"),
    ("datetime", 11, 23, "'", "'", None),
)


class Procedures:
    """The procedures of one session, and its prepared statements."""

    def __init__(self, batch: Batch, tokens: TokenWriter) -> None:
        self._batch, self._tokens = batch, tokens
        self._prepared: dict[int, tuple[str, str]] = {}
        self._next = 1
        batch.procedure = self.by_name

    def forget(self) -> None:
        """RESETCONNECTION drops what was prepared."""
        self._prepared.clear()

    def call(self, call: Call) -> None:
        """Run one RPC."""
        self._tokens.in_procedure = True
        name = call.procedure.lower().rpartition(".")[2].strip("[]")
        handle: int | None = None
        parameters = call.parameters
        if name == "sp_executesql":
            self._run(_text(parameters, 0), _text(parameters, 1), parameters[2:])
        elif name in {"sp_prepare", "sp_prepexec"}:
            handle = self._prepare(_text(parameters, 1), _text(parameters, 2))
            if name == "sp_prepexec":
                self._run(_text(parameters, 2), _text(parameters, 1), parameters[3:])
        elif name == "sp_execute":
            self._execute(parameters)
        elif name == "sp_unprepare":
            self._prepared.pop(int(str(parameters[0].value)), None)
        else:
            self.by_name(name, [(each.name, _value(each.value)) for each in parameters])
        self._tokens.return_status()
        if handle is not None:
            self._tokens.return_value(0, parameters[0].name, SqlType("int"), handle)
        self._tokens.done_procedure()
        self._tokens.in_procedure = False

    def by_name(self, name: str, arguments: list[tuple[str, Value]]) -> None:
        """Run a system procedure."""
        values = [value for _, value in arguments]
        if name in {"sp_datatype_info", "sp_datatype_info_100"}:
            self._type_info(int(str(values[0] or 0)) if values else 0)
        elif name == "sp_executesql":
            named = [(key, value) for key, value in arguments[2:]]
            self._run_values(str(values[0]), str(values[1] or "") if len(values) > 1 else "", named)
        elif name == "sp_describe_undeclared_parameters" and self._batch.state.instance.release.major >= 11:
            self._describe(str(values[0]))
        elif name == "sp_reset_connection":
            return
        else:
            raise (
                SqlFailure(2812, f"Could not find stored procedure '{name}'.", 16, 62)
                if not name.startswith(("sp_", "xp_", "#"))
                else not_emulated(f"the procedure {name}")
            )

    def _prepare(self, declarations: str, statement: str) -> int:
        handle, self._next = self._next, self._next + 1
        self._prepared[handle] = (declarations, statement)
        return handle

    def _execute(self, parameters: Sequence[Parameter]) -> None:
        handle = int(str(parameters[0].value))
        if handle not in self._prepared:
            raise SqlFailure(8179, f"Could not find prepared statement with handle {handle}.")
        declarations, statement = self._prepared[handle]
        self._run(statement, declarations, parameters[1:])

    def _run(self, statement: str, declarations: str, parameters: Sequence[Parameter]) -> None:
        self._run_values(statement, declarations, [(each.name, _value(each.value)) for each in parameters])

    def _run_values(self, statement: str, declarations: str, values: Sequence[tuple[str, Value]]) -> None:
        variables: Variables = {}
        for index, part in enumerate(split_commas(tokenize(declarations))):
            tokens = [token for token in part if token.upper not in {"OUTPUT", "OUT", "READONLY"}]
            name = tokens[0].text.lower()
            kind = parse_type(join(tokens[1:]))
            given = next((value for key, value in values if key.lower() == name), None)
            if index < len(values) and not values[index][0]:  # by position
                given = values[index][1]
            variables[name] = (kind, convert(given, kind))
        self._batch.run(statement, variables)

    def _type_info(self, wanted: int) -> None:
        self._batch.reply.columns([reply.Column(name, parse_type(kind)) for name, kind in _TYPE_COLUMNS])
        rows = [row for row in _TYPES if wanted in {0, row[1]}]
        for name, number, precision, prefix, suffix, parameters in rows:
            case, base = int("char" in name), 9 if number in {91, 93} else number
            sub = {91: 1, 93: 3}.get(number)
            radix = 10 if number in {3, 4, 5, -5, -6} else None
            head = (name, number, precision, prefix, suffix, parameters, 1, case, 3, 0 if radix else None, 0)
            self._batch.reply.row((*head, None, name, None, None, base, sub, radix, None, 0))
        self._batch.reply.done(len(rows), reply.SELECT)

    def _describe(self, statement: str) -> None:
        names: list[str] = []
        for token in tokenize(statement):
            if token.kind == "variable" and not token.text.startswith("@@") and token.text not in names:
                names.append(token.text)
        self._batch.reply.columns([reply.Column(name, parse_type(kind)) for name, kind in _DESCRIBED])
        for ordinal, name in enumerate(names, 1):
            row: dict[str, Value] = {
                "parameter_ordinal": ordinal,
                "name": name,
                "suggested_system_type_id": 231,
                "suggested_system_type_name": "nvarchar(4000)",
                "suggested_max_length": 8000,
                "suggested_precision": 0,
                "suggested_scale": 0,
                "suggested_is_input": 1,
                "suggested_is_output": 0,
                "suggested_tds_type_id": 231,
                "suggested_tds_length": 8000,
            }
            self._batch.reply.row([row.get(column, 0 if kind == "bit" else None) for column, kind in _DESCRIBED])
        self._batch.reply.done(len(names), reply.SELECT)


_DESCRIBED = (
    ("parameter_ordinal", "int"),
    ("name", "sysname"),
    ("suggested_system_type_id", "int"),
    ("suggested_system_type_name", "nvarchar(256)"),
    ("suggested_max_length", "smallint"),
    ("suggested_precision", "tinyint"),
    ("suggested_scale", "tinyint"),
    ("suggested_user_type_id", "int"),
    ("suggested_user_type_database", "sysname"),
    ("suggested_user_type_schema", "sysname"),
    ("suggested_user_type_name", "sysname"),
    ("suggested_assembly_qualified_type_name", "nvarchar(4000)"),
    ("suggested_xml_collection_id", "int"),
    ("suggested_xml_collection_database", "sysname"),
    ("suggested_xml_collection_schema", "sysname"),
    ("suggested_xml_collection_name", "sysname"),
    ("suggested_is_xml_document", "bit"),
    ("suggested_is_case_sensitive", "bit"),
    ("suggested_is_fixed_length_clr_type", "bit"),
    ("suggested_is_input", "bit"),
    ("suggested_is_output", "bit"),
    ("formal_parameter_name", "sysname"),
    ("suggested_tds_type_id", "int"),
    ("suggested_tds_length", "int"),
)


def _text(parameters: Sequence[Parameter], index: int) -> str:
    return str(parameters[index].value or "") if index < len(parameters) else ""


def _value(value: object) -> Value:
    if value is None or isinstance(value, (int, float, str, bytes)):
        return value
    raise not_emulated(f"a parameter value of type {type(value).__name__}")
