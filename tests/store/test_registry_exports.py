"""Registry exports: what is whole parses, what is cut off does not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sitekeeper.engine.errors import IntegrityError
from sitekeeper.store.format.reg_file import RegFile, parse

RECORDED = os.environ.get("SITEKEEPER_RECORDED")
HEAD = "Windows Registry Editor Version 5.00\r\n\r\n"
SITE = (
    HEAD + "[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\SMS]\r\n"
    '@="x"\r\n"Back\\\\slash"="quote \\" and \\\\"\r\n"Lines"="one\r\ntwo\r\n[three]\r\n"\r\n"Number"=dword:0000ABcd\r\n'
    '"Empty"=hex:\r\n"Bytes"=hex(7):41,00,\\\r\n  42,00,\\\r\n  00,00\r\n"Long name"=hex(2):\\\r\n  41,00\r\n\r\n'
    '[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\SMS\\Identification]\r\n"Site Code"="pr1"\r\n\r\n'
)


def export(text: str) -> bytes:
    return b"\xff\xfe" + text.encode("utf-16-le", "surrogatepass")


def test_every_form_of_a_value() -> None:
    found = parse(export(SITE), "sms.reg")
    assert found == RegFile("HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\SMS", 2, 8, "PR1")


def test_cut_off_at_any_byte_it_is_never_whole() -> None:
    """One key: between two keys a cut could not be seen."""
    data = export(SITE.partition("[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\SMS\\Identification]")[0])
    parse(data, "sms.reg")
    for length in range(len(data)):
        with pytest.raises(IntegrityError):
            parse(data[:length], "sms.reg")


def test_the_export_of_a_client_names_no_site() -> None:
    text = HEAD + '[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\SMS\\Mobile Client]\r\n"Site Code"="PR1"\r\n\r\n'
    assert parse(export(text), "sms.reg").site_code == ""


def test_half_a_surrogate_pair_is_a_legal_value() -> None:
    text = HEAD + '[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\NAL]\r\n"odd"="\ud800"\r\n\r\n'
    assert parse(export(text), "nal.reg").values == 1


def test_a_megabyte_of_bytes_in_one_value() -> None:
    lines = ",\\\r\n  ".join(",".join(["ff"] * 25) for _ in range(40_000))
    text = HEAD + f'[HKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\SMS]\r\n"big"=hex:{lines}\r\n\r\n'
    assert parse(export(text), "sms.reg").values == 1


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "does not start as UTF-16"),
        (b"REGEDIT4\r\n", "does not start as UTF-16"),
        (export("REGEDIT4\r\n\r\n"), "not a registry export"),
        (export(HEAD), "empty"),
        (export(HEAD)[:-1], "half a character"),
        (export(HEAD + "[HKEY_X\\A]\r\nrubbish\r\n\r\n"), "line 4"),
        (export(HEAD + '[HKEY_X\\A]\r\n"a"=dword:12\r\n\r\n'), "line 4"),
    ],
)
def test_what_is_no_export_is_refused_at_its_line(data: bytes, says: str) -> None:
    with pytest.raises(IntegrityError, match=says):
        parse(data, "x.reg")


@pytest.mark.skipif(RECORDED is None, reason="no recordings: SITEKEEPER_RECORDED names their folder")
@pytest.mark.parametrize(
    ("name", "keys", "values"), [("command-processor-utf16le.reg", 1, 1), ("putty-sessions-utf16le.reg", 7, 438)]
)
def test_recorded_exports(name: str, keys: int, values: int) -> None:
    data = (Path(str(RECORDED)) / "windows" / "reg" / name).read_bytes()
    found = parse(data, name)
    assert (found.keys, found.values) == (keys, values)
    for length in range(len(data) - 200, len(data)):
        with pytest.raises(IntegrityError):
            parse(data[:length], name)
