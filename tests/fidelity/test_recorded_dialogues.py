"""Our session code over what real Windows answered: Server 2008 R2, 2012 R2, 2016, 2019, Windows 10, JEA."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest

from sitekeeper.engine.errors import ErrorRecord, RemoteError
from sitekeeper.engine.session import Call
from sitekeeper.transport.psrp.request import Statement
from sitekeeper.transport.psrp.session import PsrpSession
from sitekeeper.transport.psrp.shell import ShellGoneError

from . import foreign, recorded
from .counting import Row, count
from .dialogues import CMD, NOT_READ, POOLS, UNASKED
from .recorded import ERROR, OUTPUT, STATE, needs_recordings
from .replay import Replay, replayed

pytestmark = needs_recordings

THROWN = re.compile(r"^(Transport failure, hash mismatch|The path at )")
"""``throw 'text'`` has the text for an id."""


def test_every_dialogue_is_read_or_left_out_by_name() -> None:
    files = {one.stem.removeprefix("test-") for one in (recorded.folder() / "psrp").glob("*.yml")}
    assert files == {*POOLS, *CMD, *NOT_READ}
    for name in NOT_READ:
        assert {one.asked.operation for one in recorded.dialogue(name)} == {"Get"}


def run(session: PsrpSession) -> tuple[list[Any], list[ErrorRecord]]:
    return session._run([Statement(Call("Get-Recorded"))], 60)


@pytest.mark.parametrize("name", POOLS)
def test_a_dialogue_with_powershell(name: str) -> None:
    version, expected = POOLS[name]
    found: list[tuple[int, list[str]]] = []
    left = 0
    for exchanges in recorded.pools(name):
        with replayed(exchanges) as (session, windows):
            assert session._open_shell().powershell == version == _last_version(exchanges)
            for one in recorded.pipelines(exchanges):
                if all(
                    each.asked.operation != "Receive" for each in one
                ):  # the outer pipeline of a nested one answers nothing
                    _start_and_stop(session, windows)
                    continue
                output, errors = run(session)
                _compare(output, errors, list(recorded.messages(one)))
                ids = ["thrown" if THROWN.match(error.error_id) else error.error_id for error in errors]
                found.append((len(output), ids))
            session.close()
            left += len(windows.left)
            assert set(windows.left) <= {"Receive"}
    assert found == expected
    assert left == UNASKED.get(name, (0, ""))[0]
    count(Row.REPLAYED, 1)


def _last_version(exchanges: list[recorded.Exchange]) -> str:
    """Of PSCompatibleVersions, by a plain look at the host's own words."""
    (told,) = [
        clixml
        for kind, clixml in recorded.messages(exchanges)
        if kind == recorded.PRIVATE_DATA and "PSVersionTable" in clixml
    ][:1]
    listed = re.search(r"PSCompatibleVersions</S>.*?<LST>(.*?)</LST>", told)
    *_, last = re.findall(r"<Version>([^<]+)</Version>", listed[1] if listed else "")
    return str(last)


def _start_and_stop(session: PsrpSession, windows: Replay) -> None:
    shell = session._open_shell()
    shell.stop(shell.start([Statement(Call("Get-Outer"))]))
    assert windows.seen[-1].operation == "Signal"


def _compare(output: list[Any], errors: list[ErrorRecord], told: list[tuple[int, str]]) -> None:
    """What we made of a pipeline, beside another reading of the same messages."""
    objects = [clixml for kind, clixml in told if kind == OUTPUT]
    for value, clixml in zip(output, objects, strict=True):
        if isinstance(value, ErrorRecord):
            assert _same(value) == foreign.error(clixml)
        else:
            assert value == foreign.by_psrpcore(clixml)
    state = told[-1]
    assert state[0] == STATE
    completed = '<I32 N="PipelineState">4</I32>' in state[1]
    records = [foreign.error(clixml) for kind, clixml in told if kind == ERROR]
    records += [] if completed else [foreign.error(state[1])]
    assert [_same(error) for error in errors] == records


def _same(error: ErrorRecord) -> foreign.Error:
    return foreign.Error(error.error_id, error.category, error.message, error.exception or "")


@pytest.mark.parametrize("name", CMD)
def test_a_dialogue_with_cmd(name: str) -> None:
    """Output that comes in several pieces, split anywhere; time-outs; faults; ids that the server chose."""
    for exchanges in recorded.shells(name):
        create, *rest = exchanges
        if create.asked.resource.startswith(recorded.POWERSHELL):
            continue
        with replayed(recorded.opened(create, rest)) as (session, windows):
            shell = session._open_shell()
            assert {one.shell for one in windows.seen[1:]} == {recorded.shell_of(create)}
            for one in recorded.pipelines(exchanges):
                if one[0].status != 200:
                    with pytest.raises(RemoteError, match="WSMan fault 2147942402"):
                        shell.start([Statement(Call("Get-Missing"))])
                    continue
                pipeline = shell.start([Statement(Call("Get-Recorded"))])
                assert f"CommandId>{pipeline}<" in one[0].answer
                for receive in one[1:]:
                    if receive.asked.operation == "Receive":
                        expected = recorded.stream(receive.answer)  # a time-out brings nothing
                        assert shell._receive(pipeline, 1) == expected
                shell.end(pipeline)
            if name in {"winrs-bad-cmd-id", "winrs-fail-poll-process"}:
                (unknown,) = [one.asked.command for one in rest if one.asked.operation == "Receive"]
                with pytest.raises(ShellGoneError):
                    shell._receive(unknown, 1)
            session.close()
            assert windows.left == []
    if name not in POOLS:
        count(Row.REPLAYED, 1)


def test_two_time_outs_and_then_the_answer() -> None:
    (exchanges,) = recorded.pools("psrp-long-running-cmdlet")
    with replayed(exchanges) as (session, windows):
        (output, _) = run(session)
        assert output == [
            foreign.by_psrpcore(clixml) for kind, clixml in recorded.messages(exchanges) if kind == OUTPUT
        ]
        asked = [one.operation for one in windows.seen]
        assert asked == ["Create", "Receive", "Receive", "Command", "Receive", "Receive", "Receive", "Signal"]


def test_server_2008_r2_names_shell_and_command_by_itself() -> None:
    (exchanges,) = recorded.pools("psrp-run-protocol-version-2.1")
    given = recorded.shell_of(exchanges[0])
    assert given != exchanges[0].asked.shell
    assert "<rsp:Shell" not in exchanges[0].answer
    with replayed(exchanges) as (session, windows):
        run(session)
        assert {one.shell for one in windows.seen[1:]} == {given}
        assert session._open_shell()._keeps_ids is False  # so it cannot be asked whether it knows a pipeline
        answered = re.search(r"CommandId>([^<]+)<", exchanges[3].answer)
        assert {one.command for one in windows.seen if one.operation == "Signal"} == {answered[1] if answered else ""}


@pytest.mark.parametrize(
    ("name", "merges"),
    [
        ("psrp-run-protocol-version-2.1", set()),
        ("psrp-run-protocol-version-2.2", {"MergeError", "MergeWarning", "MergeVerbose", "MergeDebug"}),
        (
            "psrp-run-protocol-version-2.3",
            {"MergeError", "MergeWarning", "MergeVerbose", "MergeDebug", "MergeInformation"},
        ),
    ],
)
def test_a_pipeline_is_written_in_the_protocol_that_the_host_speaks(name: str, merges: set[str]) -> None:
    """As the recorded client wrote it for the same host."""
    (exchanges,) = recorded.pools(name)
    with replayed(exchanges) as (session, windows):
        run(session)
    (command,) = [sent for sent, one in zip(windows.sent, windows.seen, strict=True) if one.operation == "Command"]
    found = re.search(rb"Arguments>([^<]+)<", command)
    assert found is not None
    members = set(re.findall(rb'N="(Merge\w+)"', base64.b64decode(found[1])))
    old = {b"MergeMyResult", b"MergeToResult", b"MergePreviousResults"}
    assert members == old | {one.encode() for one in merges}


def test_what_a_jea_endpoint_refuses() -> None:
    (exchanges,) = recorded.pools("psrp-with-jea-configuration")
    with replayed(exchanges) as (session, windows):
        assert session.call("Get-Allowed")
        with pytest.raises(RemoteError) as refused:
            session.call("Get-Item")
        assert refused.value.record is not None
        assert refused.value.record.short_id == "ProviderNotFound"
        assert windows.seen[0].resource.endswith("/JEARole")
        assert {one.resource for one in windows.seen[1:]} == {windows.seen[0].resource}


def test_a_file_that_came_in_pieces() -> None:
    """One object cut into fragments over three answers, by far the biggest that is recorded."""
    (exchanges,) = recorded.pools("client-fetch-file")
    with replayed(exchanges) as (session, _):
        (first, *_), _ = run(session)
    told = [clixml for kind, clixml in recorded.messages(exchanges) if kind == OUTPUT]
    assert len(told[0]) > 300_000
    assert first == foreign.by_psrpcore(told[0])
