"""What our session code makes of the faults of real Windows, and of its oldest answers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sitekeeper.engine.errors import RemoteError
from sitekeeper.engine.session import Call
from sitekeeper.transport.psrp import shell
from sitekeeper.transport.psrp.request import Statement
from sitekeeper.transport.psrp.shell import ShellExpiredError, ShellGoneError

from . import recorded
from .recorded import needs_recordings
from .replay import replayed

pytestmark = needs_recordings


def test_a_shell_that_the_host_deleted() -> None:
    """The fault came to a Get; our client would meet it with its Command."""
    for name, error in (
        ("psrp-is-alive-invalid-selectors", ShellExpiredError),
        ("psrp-is-alive-other-wsman-error", RemoteError),
    ):
        (exchanges,) = recorded.pools(name)
        (fault,) = [one for one in exchanges if one.status == 500]
        with replayed(exchanges) as (session, windows):
            shell = session._open_shell()
            windows.answer_next(fault)
            with pytest.raises(error):
                shell.start([Statement(Call("Get-It"))])


def test_a_pipeline_that_the_host_does_not_know() -> None:
    (exchanges,) = recorded.pools("psrp-receive-failure")
    (unknown,) = [one for one in exchanges if one.status == 500]
    for ask in ("_knows", "_receive"):
        with replayed(exchanges) as (session, _):
            shell = session._open_shell()
            shell._keeps_ids = True  # as this host does with every Command
            if ask == "_knows":
                assert shell._knows(unknown.asked.command) is False
            else:
                with pytest.raises(ShellGoneError):
                    shell._receive(unknown.asked.command, 1)


def single(name: str, status: int) -> recorded.Exchange:
    """An answer that was recorded alone, as that of a Create."""
    answer = Path(recorded.folder() / "psrp" / name).read_text(encoding="utf-8")
    relates = re.search(r"RelatesTo>([^<]+)<", answer)
    asked = recorded.Asked(
        "Create", recorded.POWERSHELL + "Microsoft.PowerShell", relates[1] if relates else "none", "", ""
    )
    return recorded.Exchange(asked, answer, status)


@pytest.mark.parametrize("name", ["winrb-open-shell-v1.xml", "winrb-open-shell-v2.xml"])
def test_a_shell_of_old_windows(name: str) -> None:
    """Without rsp:Shell; the older one writes ``uuid:`` before the id."""
    create = single(name, 200)
    with replayed(recorded.opened(create, [])) as (session, windows):
        session._open_shell()
        session.close()
        assert {one.shell for one in windows.seen[1:]} == {recorded.shell_of(create)}
        assert [one.operation for one in windows.seen] == ["Create", "Receive", "Receive", "Delete"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("winrb-soap-fault-v1.xml", "WSMan fault 2150858778"),
        ("winrb-soap-fault-v2.xml", "WSMan fault 2150858778"),
        ("winrb-wmi-error-v2.xml", "a quota of WinRM is used up"),  # which has no WSManFault
    ],
)
def test_a_fault_when_a_shell_is_opened(name: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "QUOTA_SECONDS", -1.0)  # this host's shells are never deleted
    with replayed([single(name, 500)]) as (session, _), pytest.raises(RemoteError, match=says):
        session.call("Get-It")
