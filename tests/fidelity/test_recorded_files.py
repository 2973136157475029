"""Our readers over every recorded file that they would meet; each is compared with a plain look at the same text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files as package
from typing import Any, cast

import pytest

from sitekeeper.engine.errors import RemoteError
from sitekeeper.engine.session import Answer
from sitekeeper.model.site import Volume
from sitekeeper.site.learning import machine_facts
from sitekeeper.store.format.reg_file import parse
from sitekeeper.transport.psrp import clixml
from sitekeeper.transport.sql.errors import read_error
from sitekeeper.windows.snapshot import _prove_made
from sitekeeper.windows.vss import tool_texts
from sitekeeper.windows.vss.shadow_hosts import HostIntent

from . import foreign, recorded
from .counting import Row, count
from .recorded import needs_recordings
from .recorded_files import NOT_READ, READ, exported, files, named, text_of

pytestmark = needs_recordings
GUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def test_every_file_is_read_or_left_out_by_name() -> None:
    everything = named("**/*") - {name for name in named("**/*") if (recorded.folder() / name).is_dir()}
    read, left_out = named(*READ), named(*NOT_READ)
    assert read & left_out == set()
    assert everything == read | left_out
    for pattern in (*READ, *NOT_READ):
        assert files(pattern), f"{pattern} is in the list, but not among the recordings"


def test_exported_objects() -> None:
    """Services, WMI objects, events, backup history: every property, type by type, as psrpcore reads it."""
    found = files("windows/clixml/*.xml*", "mssql/*.clixml")
    for file in found:
        message = exported(file)
        ours = clixml.decode(message.encode())
        assert ours == foreign.by_psrpcore(message), file.name
        assert len(ours) == len(re.findall(r"^  <(?!/)", text_of(file), re.MULTILINE)), file.name
    count(Row.TRANSCRIPTS, len(found), "CLIXML exports")


def test_every_service_of_a_real_server() -> None:
    (file,) = files("windows/clixml/exch-e19-get-service-all.xml.xz")
    services = clixml.decode(exported(file).encode())
    text = text_of(file)
    names = re.findall(r'^      <S N="Name">([^<]+)<', text, re.MULTILINE)
    states = re.findall(r'^      <Obj N="Status".*?<ToString>(\w+)<', text, re.MULTILINE | re.DOTALL)
    assert [(one["Name"], one["Status"]) for one in services] == list(zip(names, states, strict=True))
    assert len([one for one in services if "ServiceHandle" not in one]) == 34  # its getter threw


@dataclass
class Clock:
    """A clock that stands still."""

    at: datetime

    def now(self) -> datetime:
        return self.at


@dataclass
class Ctx:
    """What reading a machine needs of a context."""

    clock: Clock


@pytest.mark.parametrize("server", ["exch-e16", "exch-e19"])
def test_a_machine_from_its_wmi_objects(server: str) -> None:
    (system,) = files(f"windows/clixml/{server}-win32-operatingsystem.xml")
    (computer,) = files(f"windows/clixml/{server}-win32-computersystem-hyperv.xml")
    text = text_of(system)

    def said(name: str) -> str:
        found = re.search(rf'N="{name}">([^<]*)<', text)
        assert found is not None
        return found[1]

    local = said("LocalDateTime")
    utc = datetime.strptime(local[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC) - timedelta(minutes=int(local[-4:]))
    answers = [Answer(tuple(clixml.decode(exported(file).encode())), ()) for file in (system, computer)]
    nothing = Answer((), ())
    machine = machine_facts.machine_of(
        cast("Any", Ctx(Clock(utc - timedelta(seconds=90)))), [*answers, nothing, nothing, nothing]
    )
    assert (machine.caption, machine.version, machine.language) == (
        said("Caption"),
        said("Version"),
        int(said("OSLanguage")),
    )
    assert (machine.installed, machine.booted) == (said("InstallDate"), said("LastBootUpTime"))
    assert machine.name == said("CSName")
    assert machine.x64
    assert machine.clock_skew == pytest.approx(90 + int(local[15:21]) / 1e6, abs=0.1)


def test_no_object() -> None:
    (empty, _) = files("windows/clixml/*-win32-pagefilesetting-empty.xml")
    output = tuple(clixml.decode(exported(empty).encode()))
    assert output == ()
    with pytest.raises(RemoteError, match="returned nothing"):
        machine_facts.one_of(Answer(output, ()), "Win32_PageFileSetting")


def test_writers() -> None:
    found = files("windows/text/vssadmin-list-writers-*.txt")
    for file in found:
        text = text_of(file)
        names = re.findall(r"^Writer name: '(.+)'$", text, re.MULTILINE)
        ids = re.findall(rf"Writer Id: {{({GUID})}}", text)
        states = [int(number) for number in re.findall(r"State: \[(\d+)\]", text)]
        errors = re.findall(r"Last error: (.+)$", text, re.MULTILINE)
        ours = [(one.name, one.id, one.state, one.last_error) for one in tool_texts.read_writers(text)]
        assert ours == list(zip(names, ids, states, errors, strict=True))
    count(Row.TRANSCRIPTS, len(found), "vssadmin")


@pytest.mark.parametrize(
    "name", ["create-expose", "with-writers-verbose", "metadata-errors", "initializeforbackup-failed"]
)
def test_diskshadow(name: str) -> None:
    """Whether a set was made is judged by what was written down behind CREATE, never by these words."""
    (file,) = files(f"windows/text/diskshadow-*{name}.txt")
    text = text_of(file)
    assert tool_texts.find_hresults(text) == re.findall(r"0x[0-9a-f]{8}", text)
    volume = re.search(rf"Volume{{({GUID})}}", text)
    made = re.search(rf"shadow ID {{({GUID})}}", text), re.search(rf"shadow copy set ID {{({GUID})}}", text)
    where = HostIntent(
        host="PR1",
        drive="D",
        volumes=(Volume(id=volume[1] if volume else "none", name="C:\\", capacity=1, free=1),),
    )
    if made[0] and made[1] and volume:
        mark = f"run r1\r\nset {{{made[1][1]}}}\r\ncopy 0 {volume[1]} {{{made[0][1]}}}\r\n"
        found = _prove_made({"Mark": mark, "Transcript": text, "ExitCode": 0}, where, "r1")
        assert (found.set_id, found.copies) == (made[1][1], ((0, volume[1], made[0][1]),))
    else:
        assert "failed" in name
        with pytest.raises(RemoteError, match="shadow copy set on PR1 failed") as refused:
            _prove_made({"Mark": "", "Transcript": text, "ExitCode": 0}, where, "r1")
        assert text.splitlines()[-1] in str(refused.value.hint)
    count(Row.TRANSCRIPTS, 1, "diskshadow")


def _guard() -> str:
    return package("sitekeeper.powershell").joinpath("Get-SkGuardScript.ps1").read_text(encoding="utf-8")


def test_the_guard_finds_a_shadow_copy_in_what_vssadmin_lists() -> None:
    """``find /i`` for the id, whatever the language and the dates are like."""
    assert "vssadmin.exe list shadows | ' + $find + ' /i \"%1\"" in _guard()
    found = files("windows/text/vssadmin-list-shadows-*.txt")
    for file in found:
        text = text_of(file)
        (copy,) = re.findall(rf"Shadow Copy ID: {{({GUID})}}", text)
        wanted = f"{{{copy.upper()}}}".lower()  # as WMI writes it, and as find /i compares it
        assert len([line for line in text.splitlines() if wanted in line.lower()]) == 1
    count(Row.TRANSCRIPTS, len(found), "vssadmin")


def test_the_guard_tells_services_that_run_by_the_number() -> None:
    """Two spaces behind the number of a state, never a bracket; an exit code has a bracket there."""
    sought = re.findall(r"sc\.exe query %1 \| ' \+ \$find \+ ' \"([^\"]+)\"", _guard())
    assert sought == [": 4  (", ": 4  "]
    found = files("windows/text/sc-query-*.txt", "windows/text/sc-stop-*.txt")
    seen: set[int] = set()
    for file in found:
        for line in text_of(file).splitlines():
            if state := re.match(r" +STATE +: (\d) ", line):
                seen.add(int(state[1]))
                running = line.replace(f": {state[1]} ", ": 4 ")  # none of those recorded runs
                assert sought[1] in running
                assert sought[0] not in running
            elif code := re.match(r" +WIN32_EXIT_CODE +: (\d+) ", line):
                assert sought[0] in line.replace(f": {code[1]} ", ": 4 ")
            assert sought[1] not in line
    assert seen == {1, 2, 3}
    count(Row.TRANSCRIPTS, len(found), "sc")


def test_every_version_has_the_verbs_of_vssadmin_that_are_sent() -> None:
    folder = package("sitekeeper.powershell")
    sent = {
        f"{verb} {what}".lower()
        for item in folder.iterdir()
        if item.name.endswith(".ps1")
        for verb, what in re.findall(r"vssadmin\.exe (\w+) (\w+)", item.read_text(encoding="utf-8"))
    }
    assert {"list writers", "list shadows", "delete shadows"} <= sent
    found = files("windows/text/vssadmin-invalid-command-*.txt")
    for file in found:
        known = {line.partition("  ")[0].strip().lower() for line in text_of(file).splitlines() if " - " in line}
        assert sent <= known
    count(Row.TRANSCRIPTS, len(found), "vssadmin")


def test_a_writer_that_rejected_means_what_its_event_says() -> None:
    (file,) = files("windows/events/event-vss-8229-writer-rejected.txt")
    text = text_of(file)
    (code,) = tool_texts.find_hresults(text)
    assert "only a subset of the volumes" in text
    assert tool_texts.MEANINGS[code].startswith("the set does not contain all volumes of a writer")
    assert re.findall(rf"Writer Class Id: {{({GUID})}}", text) == [tool_texts.SQL_WRITER]
    count(Row.TRANSCRIPTS, 1, "event")


def test_registry_exports() -> None:
    found = files("windows/reg/*.reg")
    for file in found:
        text = text_of(file).replace("\r\n", "\n")
        joined = re.sub(r"\\\n +", "", text)
        ours = parse(file.read_bytes(), file.name)
        keys = re.findall(r"^\[(.+)\]$", joined, re.MULTILINE)
        values = re.findall(r'^(?:@|".*")=', joined, re.MULTILINE)
        assert (ours.root, ours.keys, ours.values) == (keys[0], len(keys), len(values))
    count(Row.TRANSCRIPTS, len(found), "registry exports")


def test_errors_of_sql_server_in_the_wrapping_of_a_driver() -> None:
    """The texts are real and full of brackets; the wrapping is that of Microsoft's driver and of FreeTDS."""
    found = files("mssql/msg-*error*-3013.txt", "mssql/msg-errors-3266-by-version.txt")
    for file in found:
        told = re.findall(r"Msg (\d+), Level \d+.*\n(.+)", text_of(file))
        assert told
        for number, text in told:
            for driver in ("[Microsoft][ODBC Driver 18 for SQL Server]", "[FreeTDS]"):
                error = Exception("42000", f"[42000] {driver}[SQL Server]{text} ({number}) (SQLExecDirectW)")
                ours = read_error(error)
                assert (ours.number, ours.text, ours.state) == (int(number), text.strip(), "42000")
    count(Row.TRANSCRIPTS, len(found), "SQL Server's messages")


def test_a_changed_transcript_is_read_otherwise() -> None:
    (file, _) = files("windows/text/vssadmin-list-writers-*.txt")
    text = text_of(file)
    before = tool_texts.read_writers(text)
    assert tool_texts.read_writers(text.replace("[7] Failed", "[1] Stable")) != before
    with pytest.raises(ValueError, match="cannot be read"):
        tool_texts.read_writers(text.replace("   State: [7] Failed\n", ""))
