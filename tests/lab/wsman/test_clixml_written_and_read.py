from __future__ import annotations

import datetime as dt
import decimal
import random
import uuid
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from psrpcore import types as ps
from pypsrp.serializer import Serializer

from sitekeeper_lab.engines.api import PsObject
from sitekeeper_lab.wsman.clixml import dumps
from sitekeeper_lab.wsman.clixml_reader import ClixmlError, loads


@pytest.mark.parametrize(
    ("value", "clixml"),
    [
        (None, "<Nil />"),
        ("", "<S></S>"),
        ("before", "<S>before</S>"),
        ("a\r\nb", "<S>a_x000D__x000A_b</S>"),
        ("_x000A_", "<S>_x005F_x000A_</S>"),
        ("_X", "<S>_x005F_X</S>"),
        ("\U00010437", "<S>_xD801__xDC37_</S>"),
        ("<&>\"'", "<S>&lt;&amp;&gt;\"'</S>"),
        ("\x7f\x85ä", "<S>_x007F__x0085_ä</S>"),
        (True, "<B>true</B>"),
        (2, "<I32>2</I32>"),
        (2**31, "<I64>2147483648</I64>"),
        (1.0, "<Db>1</Db>"),
        (1e300, "<Db>1E+300</Db>"),
        (1.5, "<Db>1.5</Db>"),
        (b"\0\1", "<BA>AAE=</BA>"),
        (ps.PSUInt(7), "<U32>7</U32>"),
        (ps.PSUInt64(2**63), "<U64>9223372036854775808</U64>"),
        (ps.PSInt16(-1), "<I16>-1</I16>"),
        (ps.PSChar("a"), "<C>97</C>"),
        (ps.PSVersion("5.1.14393.2248"), "<Version>5.1.14393.2248</Version>"),
        (decimal.Decimal("1.10"), "<D>1.10</D>"),
        (uuid.UUID(int=1), "<G>00000000-0000-0000-0000-000000000001</G>"),
        (dt.datetime(2018, 6, 13, 23, 46, 12, 131630), "<DT>2018-06-13T23:46:12.13163</DT>"),  # noqa: DTZ001  no zone
        (dt.datetime(2018, 6, 13, 23, 46, 12, tzinfo=dt.UTC), "<DT>2018-06-13T23:46:12Z</DT>"),
        (
            dt.datetime(2018, 6, 13, 1, 2, 3, tzinfo=dt.timezone(dt.timedelta(hours=-7))),
            "<DT>2018-06-13T01:02:03-07:00</DT>",
        ),
        (dt.timedelta(0), "<TS>PT0S</TS>"),
        (-dt.timedelta(days=1, hours=2, seconds=3, microseconds=500_000), "<TS>-P1DT2H3.5S</TS>"),
        (
            [1, "a"],
            (
                '<Obj RefId="0"><TN RefId="0"><T>System.Object[]</T><T>System.Array</T><T>System.Object</T></TN>'
                "<LST><I32>1</I32><S>a</S></LST></Obj>"
            ),
        ),
        (
            {"a": []},
            (
                '<Obj RefId="0"><TN RefId="0"><T>System.Collections.Hashtable</T><T>System.Object</T></TN><DCT><En>'
                '<S N="Key">a</S><Obj N="Value" RefId="1"><TN RefId="1"><T>System.Object[]</T><T>System.Array</T>'
                "<T>System.Object</T></TN><LST /></Obj></En></DCT></Obj>"
            ),
        ),
    ],
)
def test_the_form_of_values(value: Any, clixml: str) -> None:
    assert dumps(value) == clixml
    back = loads(clixml)
    assert back == (
        chr(value) if isinstance(value, ps.PSChar) else str(value) if isinstance(value, ps.PSVersion) else value
    )


def test_type_names_and_references_are_shared_within_a_message() -> None:
    first = PsObject(("A", "System.Object"), {"x<": None}, {}, "a\nb")
    assert dumps(PsObject(("A", "System.Object"), {"one": first, "two": first})) == (
        '<Obj RefId="0"><TN RefId="0"><T>A</T><T>System.Object</T></TN><Props>'
        '<Obj N="one" RefId="1"><TNRef RefId="0" /><ToString>a_x000A_b</ToString><Props><Nil N="x&lt;" /></Props></Obj>'
        '<Ref N="two" RefId="1" /></Props></Obj>'
    )


def test_what_has_no_clixml_is_refused() -> None:
    with pytest.raises(TypeError, match=r"no CLIXML for a builtins\.set"):
        dumps({1})
    with pytest.raises(TypeError, match="fits neither"):
        dumps(2**63)


@pytest.mark.parametrize(
    "clixml",
    ["<S>", "<X />", '<Ref RefId="9" />', "<I32>x</I32>", "<I32>2147483648</I32>", "<SS>AAAA</SS>", "<TS>1</TS>"],
)
def test_what_is_no_clixml_is_refused(clixml: str) -> None:
    with pytest.raises(ClixmlError):
        loads(clixml)


def test_pypsrp_and_the_lab_read_each_other() -> None:
    noise = random.Random(7)  # noqa: S311  no secret
    alphabet = "ab _x_X\r\n\t\0\x9f<&>é€\U0001f600xF0"
    strings = ["".join(noise.choices(alphabet, k=20)) for _ in range(300)]
    for text in strings:
        if "_X" not in text:  # pypsrp leaves _X alone when it writes and _x005F_X is right all the same
            assert Serializer().deserialize(dumps(text)) == text
        element = Serializer().serialize(text)
        assert element is not None
        if "_x" not in text:  # pypsrp does not escape a literal _x000A_
            assert loads(ET.tostring(element)) == text
    # no dict within the list: pypsrp reads one there, and only there, as a GenericComplexObject
    nested = {"k": [1, None, True, "x"], "d": {"b": b"x"}}
    element = Serializer().serialize(nested)
    assert element is not None
    assert loads(ET.tostring(element)) == nested
    assert Serializer().deserialize(dumps(nested)) == nested
