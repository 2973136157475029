"""Shells of command lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from pypsrp.exceptions import WSManFaultError
from pypsrp.shell import Process, SignalCode, WinRS

from sitekeeper_lab.engines.api import Printed
from sitekeeper_lab.host import Host
from sitekeeper_lab.windows.native.prompt import CommandPrompt

from .conftest import MakeHost


class _Prompt:
    def __init__(self) -> None:
        self.allowed = True

    def check(self, user: str) -> None:
        if not self.allowed:
            raise PermissionError(5, "Access is denied.", user)

    def run(self, line: str, environment: Mapping[str, str]) -> Printed:
        if line == "nothing":
            raise NotImplementedError(line)
        return Printed(b"o" * 100_000, f"{line} {dict(environment)}".encode(), 3)


@pytest.fixture(name="prompt")
def one_prompt() -> _Prompt:
    return _Prompt()


@pytest.fixture(name="wsman")
def client(make_host: MakeHost, prompt: _Prompt) -> Any:
    host = make_host(prompt=prompt)
    with host.client() as wsman:
        yield wsman
    assert host.server.shell_ids == []


def test_a_command_is_run_and_fetched_in_pieces(wsman: Any) -> None:
    with WinRS(wsman, environment={"a": "b"}) as shell:
        process = Process(shell, "tool", ["x", "y z"])
        process.begin_invoke()
        pieces = 0
        while process.rc is None:
            process.poll_invoke()
            pieces += 1
        assert pieces == 4
        assert process.stdout == b"o" * 100_000
        assert (process.stderr, process.rc) == (b"tool x y z {'a': 'b'}", 3)
        process.signal(SignalCode.TERMINATE)
        with pytest.raises(WSManFaultError) as gone:
            process.poll_invoke()
        assert gone.value.code == 2150858843


def test_what_is_refused(wsman: Any, prompt: _Prompt) -> None:
    with WinRS(wsman) as shell:
        with pytest.raises(WSManFaultError, match="emulator: nothing is not emulated"):
            Process(shell, "nothing").invoke()
        process = Process(shell, "tool")
        process.begin_invoke()
        with pytest.raises(WSManFaultError, match="emulator: Send with a shell of command lines"):
            process.send(b"typed")
        with pytest.raises(WSManFaultError) as wrong:
            shell.receive()
        assert (wrong.value.code, wrong.value.provider_fault) == (87, "The parameter is incorrect.")
    prompt.allowed = False
    with pytest.raises(WSManFaultError) as denied:
        WinRS(wsman).open()
    assert denied.value.code == 5


@pytest.mark.parametrize(
    ("line", "printed"),
    [
        ("cmd.exe /c echo hi", Printed(b"hi\r\n", b"", 0)),
        ("cmd /c echo out && echo err>&2 && exit 4", Printed(b"out \r\n", b"err \r\n", 4)),
        ("exit 2 && echo never", Printed(b"", b"", 2)),
        ("sc query nobody && echo never", Printed(b"", b"", 1060)),
    ],
)
def test_the_lab_s_own_prompt(lab_host: Callable[[str], Host], line: str, printed: Printed) -> None:
    prompt = CommandPrompt(lab_host("PR2"), frozenset({"lab\\backup"}))
    prompt.check("LAB\\backup")
    with pytest.raises(PermissionError):
        prompt.check("LAB\\reader")
    said = prompt.run(line, {})
    assert said.code == printed.code
    assert printed.code == 1060 or said == printed


@pytest.mark.parametrize("line", ["dir", "powershell -", "reg query HKLM > x", "vssadmin resize it", ""])
def test_the_lab_s_own_prompt_refuses_by_name(lab_host: Callable[[str], Host], line: str) -> None:
    with pytest.raises(NotImplementedError, match=line.split(maxsplit=1)[0] if line else "command line"):
        CommandPrompt(lab_host("PR2"), frozenset()).run(line, {})
