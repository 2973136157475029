"""CREATE_PIPELINE messages (MS-PSRP 2.2.2.10), written as text and split into fragments.

pypsrp builds the same bytes from deep copies of objects, which takes longer than the rest of a request together. A test
proves that this writer gives the same bytes.
"""

from __future__ import annotations

import re
import uuid
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from struct import Struct
from typing import Any
from xml.sax.saxutils import escape

from sitekeeper.engine.session import Call

CREATE_PIPELINE = 0x00021006
TO_SERVER = 2
_MESSAGE = Struct("<II16s16s")
_FRAGMENT = Struct(">QQBI")
_ESCAPED = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]|_(?=x[0-9A-Fa-f]{4}_)|[\U00010000-\U0010ffff]")
_ENUM = "<T>System.Enum</T><T>System.ValueType</T><T>System.Object</T>"
_PSOBJECT_LIST = (
    "<T>System.Collections.Generic.List`1[[System.Management.Automation.PSObject, System.Management.Automation, "
    "Version=1.0.0.0, Culture=neutral, PublicKeyToken=31bf3856ad364e35]]</T><T>System.Object</T>"
)
_RUNSPACES = "System.Management.Automation.Runspaces"
_MERGES = {0: ("None", 0), 1: ("Output", 1), 2: ("Error", 2)}
_SINCE_2_2 = ("MergeWarning", "MergeVerbose", "MergeDebug")


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a pipeline: a command, or, when the pool is set up, the text of one of our functions."""

    call: Call
    merge_errors: bool = False
    is_script: bool = False


class _Writer:
    """Text of one message, with the numbers of its objects and types."""

    def __init__(self, protocol: tuple[int, ...]) -> None:
        self.protocol = protocol
        self._object = count()
        self._types: dict[str, int] = {}

    def open(self, name: str = "", types: str = "") -> str:
        """``<Obj>`` with a new number, and its types in full or by reference."""
        named = f' N="{name}"' if name else ""
        return f'<Obj RefId="{next(self._object)}"{named}>{self.types(types)}'

    def types(self, types: str) -> str:
        if not types:
            return ""
        if types in self._types:
            return f'<TNRef RefId="{self._types[types]}" />'
        self._types[types] = len(self._types)
        return f'<TN RefId="{self._types[types]}">{types}</TN>'

    def enum(self, name: str, kind: str, text: str, value: int) -> str:
        shown = f"<ToString>{text}</ToString>" if text else "<ToString />"
        return f"{self.open(name, f'<T>{_RUNSPACES}.{kind}</T>{_ENUM}')}{shown}<I32>{value}</I32></Obj>"

    def merge(self, name: str, value: int) -> str:
        return self.enum(name, "PipelineResultTypes", *_MERGES[value])

    def value(self, value: Any, name: str = "") -> str:
        named = f' N="{name}"' if name else ""
        match value:
            case None:
                return f"<Nil{named} />"
            case bool():
                return f"<B{named}>{'true' if value else 'false'}</B>"
            case int():
                tag = "I32" if -(2**31) <= value < 2**31 else "I64"
                return f"<{tag}{named}>{value}</{tag}>"
            case str():
                return f"<S{named}>{_text(value)}</S>" if value else f"<S{named} />"
            case bytes():
                return f"<BA{named}>{b64encode(value).decode()}</BA>"
            case list() | tuple():
                opened = self.open(name, "<T>System.Object[]</T><T>System.Array</T><T>System.Object</T>")
                inside = "".join(self.value(one) for one in value)
                return f"{opened}{f'<LST>{inside}</LST>' if inside else '<LST />'}</Obj>"
            case _:
                raise TypeError(f"{type(value).__name__} cannot be an argument")

    def command(self, statement: Statement) -> str:
        merged = statement.merge_errors
        script = "true" if statement.is_script else "false"
        text = _script(statement.call.command) if statement.is_script else _text(statement.call.command)
        parts = [
            self.open(),
            f'<MS><S N="Cmd">{text}</S><B N="IsScript">{script}</B><Nil N="UseLocalScope" />',
            self.merge("MergeMyResult", 2 if merged else 0),
            self.merge("MergeToResult", 1 if merged else 0),
            self.merge("MergePreviousResults", 0),
            self.open("Args", _PSOBJECT_LIST),
        ]
        given = [self.argument(name, value) for name, value in statement.call.args.items()]
        parts.append(f"<LST>{''.join(given)}</LST></Obj>" if given else "<LST /></Obj>")
        if self.protocol >= (2, 2):
            parts.append(self.merge("MergeError", 1 if merged else 0))
            parts += [self.merge(name, 0) for name in _SINCE_2_2]
        if self.protocol >= (2, 3):
            parts.append(self.merge("MergeInformation", 0))
        parts.append("</MS></Obj>")
        return "".join(parts)

    def argument(self, name: str, value: Any) -> str:
        return f'{self.open()}<MS><S N="N">{_text(name)}</S>{self.value(value, "V")}</MS></Obj>'

    def commands(self, statements: Iterable[Statement]) -> str:
        return f"{self.open('Cmds', _PSOBJECT_LIST)}<LST>{''.join(self.command(one) for one in statements)}</LST></Obj>"


def _text(text: str) -> str:
    """Escape a text for XML; characters that XML or PowerShell cannot carry become ``_xHHHH_``."""
    return escape(_ESCAPED.sub(_code, text))


@lru_cache(maxsize=256)
def _script(text: str) -> str:
    """As ``_text``, cached: for our own functions, which every host gets. Values are not cached: they may be secrets."""
    return _text(text)


def _code(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"_x{units[at]:02X}{units[at + 1]:02X}_" for at in range(0, len(units), 2))


def create_pipeline(statements: Sequence[Statement], protocol: str, apartment: int) -> str:
    """The CLIXML of a pipeline of these statements, without input and without a host."""
    writer = _Writer(tuple(int(part) for part in (protocol or "2.1").split(".")[:2]))
    head = [
        writer.open(),
        '<MS><B N="NoInput">true</B>',
        writer.enum("ApartmentState", "ApartmentState", "UNKNOWN", apartment),
        writer.enum("RemoteStreamOptions", "RemoteStreamOptions", "", 0),
        '<B N="AddToHistory">false</B>',
        writer.open("HostInfo"),
        '<MS><B N="_isHostNull">true</B><B N="_isHostUINull">true</B><B N="_isHostRawUINull">true</B>',
        '<B N="_useRunspaceHost">true</B></MS></Obj>',
        writer.open("PowerShell"),
        '<MS><B N="IsNested">false</B>',
    ]
    if len(statements) > 1:
        head += [writer.open("ExtraCmds", _PSOBJECT_LIST), "<LST>"]
        head += [f"{writer.open()}<MS>{writer.commands([one])}</MS></Obj>" for one in statements]
        head.append("</LST></Obj>")
    else:
        head.append('<Nil N="ExtraCmds" />')
    head.append(writer.commands(statements[:1]))
    head.append('<Nil N="History" /><B N="RedirectShellErrorOutputPipe">false</B></MS></Obj>')
    head.append('<B N="IsNested">false</B></MS></Obj>')
    return "".join(head)


def fragments(xml: str, pool: str, pipeline: str, object_id: int, most: int) -> list[bytes]:
    """Split a CREATE_PIPELINE message into fragments of at most ``most`` bytes of content each."""
    header = _MESSAGE.pack(TO_SERVER, CREATE_PIPELINE, uuid.UUID(pool).bytes_le, uuid.UUID(pipeline).bytes_le)
    data = header + xml.encode()
    pieces = [data[at : at + most] for at in range(0, len(data), most)]
    last = len(pieces) - 1
    return [
        _FRAGMENT.pack(object_id, number, (number == 0) | (number == last) << 1, len(piece)) + piece
        for number, piece in enumerate(pieces)
    ]
