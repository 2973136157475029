"""CLIXML as plain values."""

from __future__ import annotations

import lzma
import os
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from sitekeeper.transport.psrp import clixml

RECORDED = os.environ.get("SITEKEEPER_RECORDED")
NS = 'xmlns="http://schemas.microsoft.com/powershell/2004/04"'


@pytest.mark.parametrize(
    ("xml", "value"),
    [
        ("<S>a</S>", "a"),
        ("<S></S>", ""),
        ("<S>one_x000D__x000A_two</S>", "one\r\ntwo"),
        ("<S>_x005F_x000A_</S>", "_x000A_"),
        ("<S>_xD801__xDC37_</S>", "\U00010437"),
        ("<S>_xD801_</S>", "\ud801"),
        ("<I32>-5</I32>", -5),
        ("<U64>18446744073709551615</U64>", 2**64 - 1),
        ("<B>true</B>", True),
        ("<B>false</B>", False),
        ("<Nil />", None),
        ("<BA>AAEC</BA>", b"\x00\x01\x02"),
        ("<BA></BA>", b""),
        ("<Db>1.5</Db>", 1.5),
        ("<C>65</C>", "A"),
        ("<DT>2026-11-24T00:00:00Z</DT>", "2026-11-24T00:00:00Z"),
        ('<Obj RefId="0"><LST><I32>1</I32><S>x</S></LST></Obj>', [1, "x"]),
        ('<Obj RefId="0"><LST /></Obj>', []),
        ('<Obj RefId="0"><DCT><En><S N="Key">k</S><I32 N="Value">1</I32></En></DCT></Obj>', {"k": 1}),
        ('<Obj RefId="0"><MS><S N="A">1</S><Nil N="B" /></MS></Obj>', {"A": "1", "B": None}),
        ('<Obj RefId="0"><S>text</S><MS><S N="PSPath">p</S></MS></Obj>', "text"),
        (
            '<Obj RefId="0"><TN RefId="0"><T>X</T><T>System.Enum</T></TN><ToString>Running</ToString><I32>4</I32></Obj>',
            "Running",
        ),
        ('<Obj RefId="0"><ToString>only this</ToString></Obj>', "only this"),
        (
            '<Obj RefId="0"><MS><Obj N="A" RefId="1"><LST><I32>1</I32></LST></Obj><Ref N="B" RefId="1" /></MS></Obj>',
            {"A": [1], "B": [1]},
        ),
    ],
)
@pytest.mark.parametrize("namespace", [True, False])
def test_values(xml: str, value: Any, namespace: bool) -> None:
    sent = xml.replace(">", f" {NS}>", 1).replace(f"/ {NS}>", f" {NS}/>") if namespace else xml
    found = clixml.decode(sent.encode("utf-8", "surrogatepass"))
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("sent", [b"", b"<S>", b"<S>a</S><S>b</S>", b"text"])
def test_what_is_no_clixml(sent: bytes) -> None:
    with pytest.raises(ValueError, match="not CLIXML"):
        clixml.decode(sent)


@pytest.mark.skipif(RECORDED is None, reason="no recordings: SITEKEEPER_RECORDED names their folder")
def test_every_recorded_export_is_read() -> None:
    read = 0
    for file in sorted((Path(str(RECORDED)) / "windows" / "clixml").glob("*.xml*")):
        raw = lzma.decompress(file.read_bytes()) if file.suffix == ".xz" else file.read_bytes()
        text = raw.decode("utf-16" if raw[:2] == b"\xff\xfe" else "utf-8-sig")
        clixml.decode(text.encode())
        read += 1
    assert read > 20


@pytest.mark.skipif(RECORDED is None, reason="no recordings: SITEKEEPER_RECORDED names their folder")
def test_a_recorded_operating_system() -> None:
    file = Path(str(RECORDED)) / "windows" / "clixml" / "exch-e19-win32-operatingsystem.xml"
    (found,) = [value for value in _objects(file) if isinstance(value, dict) and "Caption" in value]
    assert found["Version"] == "10.0.17763"
    assert found["LocalDateTime"].endswith(("-420", "-480"))
    assert isinstance(found["OSLanguage"], int)


def _objects(file: Path) -> list[Any]:
    root = ET.fromstring(file.read_bytes().decode("utf-8-sig"))  # noqa: S314 - a recording
    return [clixml.decode(ET.tostring(child)) for child in root]
