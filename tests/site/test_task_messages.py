"""Whether a run of the site's own task was good is read from numbers alone, and never from its service's end."""

from __future__ import annotations

import pytest

from sitekeeper.engine.errors import IntegrityError, RemoteError, SpaceError
from sitekeeper.site.task import messages


def line(text: str) -> str:
    return f'<![LOG[{text}]LOG]!><time="02:00:00.000+000" date="11-26-2026" component="SMS_SITE_BACKUP" context="" type="1">\r\n'


def status(number: int) -> str:
    return line(f'STATMSG: ID={number} SEV=I LEV=M SOURCE="SMS Server" COMP="SMS_SITE_BACKUP" SYS=PR2 SITE=PR2')


@pytest.mark.parametrize(
    ("numbers", "why"),
    [
        ([500, 5055, 5056, 5035], ""),
        ([500, 5055, 5056, 5035, 5040], ""),
        ([], "start message"),
        ([500], "start message"),
        ([5035], "start message"),
        ([5055, 5056], "completion message"),
        ([5035, 5055, 5056], "completion message"),  # the end of an earlier run is none of this one's
        ([5055, 5043], "5043"),
        ([5055, 5035, 5043], "5043"),
        ([5055, 5035, 5055, 5035], "2 times"),
    ],
)
def test_only_begun_and_completed_once_is_good(numbers: list[int], why: str) -> None:
    told = messages.read("".join(status(one) for one in numbers))
    assert list(told.messages) == numbers
    found = messages.find_fault(told.messages)
    assert (why in found) if why else found == ""


def test_the_newest_run_is_judged_by_itself() -> None:
    assert messages.newest([5055, 5043, 5055, 5056, 5035]) == [5055, 5056, 5035]
    assert messages.find_fault(messages.newest([5055, 5035, 5055])) != ""


@pytest.mark.parametrize(
    ("text", "kind", "hint"),
    [
        ("Deleting E:\\PR2Backup, FAILED, Win32 Error = 145", RemoteError, "KB 2387913"),
        ("copying failed. Win32 Error = 5", RemoteError, "cannot write"),
        ("copying failed. Win32 Error = 112", SpaceError, "is full"),
        ("L\u00f6schen fehlgeschlagen, Win32 Error = 145", RemoteError, "KB 2387913"),
        ("and then nothing", IntegrityError, "smsbkup.log"),
    ],
)
def test_known_errors_say_what_to_do(text: str, kind: type[Exception], hint: str) -> None:
    told = messages.read(status(5055) + line(text))
    error = messages.build_error(told, messages.find_fault(told.messages))
    assert type(error) is kind
    assert hint in str(error.hint)
    assert text[:20] in error.message
