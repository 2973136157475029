"""Requests: SQLBatch, RPC and transaction manager messages taken apart (MS-TDS 2.2.6.6 to 2.2.6.9)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sitekeeper_lab.sql.datatypes import TDS72, SqlType
from sitekeeper_lab.sql.failure import not_emulated
from sitekeeper_lab.sql.parameters import Reader

PROCEDURES = {
    10: "sp_executesql",
    11: "sp_prepare",
    12: "sp_execute",
    13: "sp_prepexec",
    14: "sp_prepexecrpc",
    15: "sp_unprepare",
}
"""Procedures by id; 1 to 9 are server cursors, which the lab does not emulate."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a call."""

    name: str
    """With its ``@``; '' when passed by position."""
    output: bool
    kind: SqlType
    value: object


@dataclass(frozen=True, slots=True)
class Call:
    """One procedure call."""

    procedure: str
    """Its name, or ``#7`` for an id that is not known."""
    parameters: tuple[Parameter, ...]


def after_headers(payload: bytes, version: int) -> int:
    """Where the request proper begins: behind ALL_HEADERS, which came with 7.2."""
    if version < TDS72:
        return 0
    length = int.from_bytes(payload[:4], "little")
    if not 4 <= length <= len(payload):
        raise not_emulated("a request whose headers are longer than itself")
    return length


def read_calls(payload: bytes, version: int) -> Iterator[Call]:
    """Yield the calls of an RPC message; several come in one (executemany)."""
    reader = Reader(payload, after_headers(payload, version))
    while reader.left:
        length = reader.number(2)
        if length == 0xFFFF:
            number = reader.number(2)
            name = PROCEDURES.get(number, f"#{number}")
        else:
            name = reader.text(length)
        reader.number(2)  # fWithRecomp, fNoMetaData: hints
        parameters: list[Parameter] = []
        while reader.left:
            first = reader.number(1)
            if first == 0xFF or (first == 0x80 and version < TDS72):
                break
            parameter_name = reader.text(first)
            output = bool(reader.number(1) & 1)
            parameters.append(Parameter(parameter_name, output, *reader.typed()))
        yield Call(name, tuple(parameters))
