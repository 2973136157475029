"""What VSS tools say, in whatever language, and what proves a shadow copy set."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sitekeeper.engine.errors import IntegrityError, RemoteError, SpaceError
from sitekeeper.model.site import SiteDatabase, Volume
from sitekeeper.model.windows import WatchedService
from sitekeeper.windows.snapshot import _find_excluded, _prove_made
from sitekeeper.windows.vss import tool_texts
from sitekeeper.windows.vss.proof import prove_database, prove_window
from sitekeeper.windows.vss.shadow_hosts import HostIntent

RECORDED = os.environ.get("SITEKEEPER_RECORDED")
LABELS = {
    "en": ("Writer name: '{}'", "Writer Id: {}", "Writer Instance Id: {}", "State: [{}] Stable", "Last error: {}"),
    # Labels seen in a French transcript: a space before the colon, names in English.
    "fr": (
        "Nom du rédacteur : '{}'",
        "ID du rédacteur : {}",
        "ID de l\u2019instance du rédacteur : {}",
        "État : [{}] Stable",
        "Dernière erreur : {}",
    ),
    "wide": ("N\uff1a'{}'", "I\uff1a{}", "J\uff1a{}", "S\uff1a[{}] ok", "E\uff1a{}"),
}
BANNER = "vssadmin 1.1 - l'outil d'administration\r\n(C) Copyright 2001-2013 Microsoft Corp.\r\n\r\n"


def transcript(language: str, *writers: tuple[int, str], banner: str = BANNER) -> str:
    blocks = []
    for number, (state, error) in enumerate(writers):
        values = (
            f"Writer {number}",
            "{" + f"{number:08x}-1111-2222-3333-444444444444" + "}",
            "{" + tool_texts.SQL_WRITER + "}",
            state,
            error,
        )
        lines = [label.format(value) for label, value in zip(LABELS[language], values, strict=True)]
        blocks.append("\r\n   ".join(lines))
    return banner + "\r\n\r\n".join(blocks) + "\r\n\r\n"


@pytest.mark.parametrize("language", LABELS)
@pytest.mark.parametrize("banner", ["", BANNER])
def test_writers_by_their_places(language: str, banner: str) -> None:
    found = tool_texts.read_writers(transcript(language, (1, "fine"), (8, "bad"), banner=banner))
    assert [(one.name, one.state, one.last_error) for one in found] == [("Writer 0", 1, "fine"), ("Writer 1", 8, "bad")]
    assert found[1].id == "00000001-1111-2222-3333-444444444444"


@pytest.mark.parametrize(
    ("writers", "bad"),
    [
        ([(1, "No error")] * 3, []),
        ([(1, "No error"), (1, "Retryable error")], [1]),  # recorded: Stable with an error
        ([(1, "Retryable error")] * 9 + [(1, "No error")], list(range(9))),  # where we know the words, they decide
        ([(1, "Aucune erreur"), (7, "Erreur")], [1]),
        ([(1, "Keine Fehler")] * 5 + [(1, "Wiederholbarer Fehler"), (5, "Keine Fehler")], [5, 6]),
        ([(1, "エラーなし")] * 3, []),
        ([(1, "a")] * 2, [0, 1]),  # too few to know
        ([(1, "a")] * 3 + [(1, "b")] * 3, list(range(6))),  # no majority
        ([(1, "")] * 9, list(range(9))),  # nothing was said
        ([(5, "No error")] * 3, [0, 1, 2]),
        ([], []),
    ],
)
def test_no_error_in_any_language(writers: list[tuple[int, str]], bad: list[int]) -> None:
    found = tool_texts.read_writers(transcript("en", *writers))
    assert [found.index(one) for one in tool_texts.find_unhealthy(found)] == bad


@pytest.mark.parametrize("drop", [0, 3, 4])
def test_a_writer_that_cannot_be_read_is_no_healthy_one(drop: int) -> None:
    lines = transcript("en", (8, "Retryable error"), banner="").splitlines()
    text = transcript("en", (1, "No error")) + "\n" + "\n".join(line for n, line in enumerate(lines) if n != drop)
    with pytest.raises(ValueError, match="cannot be read"):
        tool_texts.read_writers(text)


@pytest.mark.skipif(RECORDED is None, reason="no recordings: SITEKEEPER_RECORDED names their folder")
@pytest.mark.parametrize(
    ("name", "number", "bad"),
    [("exchange-failed", 5, ["Microsoft Exchange Writer"]), ("ntds-failed-11", 1, ["NTDS"])],
)
def test_recorded_writers(name: str, number: int, bad: list[str]) -> None:
    text = (Path(str(RECORDED)) / "windows" / "text" / f"vssadmin-list-writers-{name}.txt").read_text()
    found = tool_texts.read_writers(text)
    assert len(found) == number
    assert [one.name for one in tool_texts.find_unhealthy(found)] == bad


@pytest.mark.skipif(RECORDED is None, reason="no recordings: SITEKEEPER_RECORDED names their folder")
@pytest.mark.parametrize("name", ["diskshadow-script-create-expose.txt", "diskshadow-script-with-writers-verbose.txt"])
def test_recorded_transcripts_of_sets_that_were_made_have_no_error_code(name: str) -> None:
    text = (Path(str(RECORDED)) / "windows" / "text" / name).read_text(encoding="utf-8", errors="replace")
    assert tool_texts.find_hresults(text) == []


V1, V2 = "11111111-0000-0000-0000-000000000001", "11111111-0000-0000-0000-000000000002"
S1, S2 = "aaaaaaaa-0000-0000-0000-000000000001", "aaaaaaaa-0000-0000-0000-000000000002"
MARK = f"run r1\r\nset {{5E75E75E-0000-0000-0000-000000000000}}\r\ncopy 0 {V1} {{{S1.upper()}}}\r\ncopy 1 {V2} {{{S2}}}\r\n"
ONE = HostIntent(
    host="PR1",
    drive="D",
    volumes=tuple(Volume(id=v, name=n, capacity=1, free=1) for v, n in ((V1, "D:\\"), (V2, "E:\\"))),
)


def answer(**changes: Any) -> dict[str, Any]:
    return {"Mark": MARK, "Transcript": "", "ExitCode": 0} | changes


@pytest.mark.parametrize(
    ("text", "excluded"),
    [
        (f"Writer name: 'X'\n  Id: {{{S1}}}\n", []),  # cannot be read, and there is no SMS Writer in it
        (f"Writer name: 'SMS Writer'\n  Id: {{{tool_texts.SMS_WRITER.upper()}}}\n", [tool_texts.SMS_WRITER]),
    ],
)
def test_a_list_of_writers_that_cannot_be_read_keeps_no_set_from_being_made(text: str, excluded: list[str]) -> None:
    ctx: Any = SimpleNamespace(ps=SimpleNamespace(call=lambda _: [{"Text": text}]))
    assert _find_excluded(ctx) == excluded


def test_a_mark() -> None:
    mark = _prove_made(answer(), ONE, "r1")
    assert mark.copies == ((0, V1, S1), (1, V2, S2))
    assert mark.set_id == "5e75e75e-0000-0000-0000-000000000000"


@pytest.mark.parametrize(
    "changes",
    [
        {"Mark": ""},
        {"Mark": MARK.replace("run r1", "run r2")},
        {"Mark": MARK.replace("set {", "set %VSS_SHADOW_SET% {")},
        {"Mark": MARK.partition("copy 1")[0]},
        {"Mark": MARK.replace(f"{{{S2}}}", "")},
        {"Mark": MARK.replace(f"{{{S2}}}", "%sk1%")},
        {"Mark": MARK.replace(V2, "11111111-0000-0000-0000-000000000009")},
        {"ExitCode": 1},
        {"ExitCode": -1},
        {"Transcript": "The last operation failed.\n- Returned HRESULT: 80042306"},
        {"Transcript": "- Returned HRESULT = 0x80042316"},
    ],
)
def test_anything_less_is_no_set_whatever_the_exit_code_says(changes: dict[str, Any]) -> None:
    with pytest.raises(RemoteError, match="on PR1 failed"):
        _prove_made(answer(**changes), ONE, "r1")


def test_no_room_is_a_matter_of_space() -> None:
    with pytest.raises(SpaceError, match="no room"):
        _prove_made(answer(Transcript="The last operation failed.\n- Returned HRESULT: 8004231F"), ONE, "r1")


DATABASE = SiteDatabase(
    host="PR1",
    server="PR1",
    instance="INST",
    name="CM_PR1",
    version="11",
    edition="x",
    collation="x",
    recovery_model="x",
    owner="x",
    trustworthy=True,
    broker=True,
    clr=True,
    compatibility=110,
    files=(),
)


def document(*components: tuple[str, str, str, str], kind: str = "copy") -> dict[str, Any]:
    inside = "".join(
        f'<WRITER_COMPONENTS writerId="{writer}"><COMPONENT logicalPath="{path}" componentName="{name}" backupSucceeded="{ok}"/>'
        "</WRITER_COMPONENTS>"
        for writer, path, name, ok in components
    )
    return {"Document": f'\ufeff<BACKUP_COMPONENTS xmlns="x" backupType="{kind}">{inside}</BACKUP_COMPONENTS>'}


MINE = ("{" + tool_texts.SQL_WRITER.upper() + "}", "pr1\\inst", "cm_pr1", "yes")


def test_the_writers_document_names_this_database() -> None:
    prove_database(document(("x", "a", "b", "yes"), MINE), DATABASE)
    # Before a BackupComplete event backupSucceeded is undefined; a listener or a cluster has another name than its node.
    prove_database(document((*MINE[:3], "no")), DATABASE)
    prove_database(document((MINE[0], "LISTENER\\INST", "CM_PR1", "yes")), DATABASE)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"Document": ""}, "no proof"),
        ({"Document": "<broken"}, "no proof"),
        (document(), "did not back up"),
        (document((MINE[0], "PR1", "CM_PR1", "yes")), "did not back up"),  # another instance
        (document((MINE[0], MINE[1], "master", "yes")), "did not back up"),
        (document((tool_texts.SMS_WRITER, *MINE[1:])), "did not back up"),
        (document(MINE, kind="full"), "as a full backup"),
        (document(MINE, kind=""), "not as a copy"),
    ],
)
def test_any_other_document_proves_nothing(given: dict[str, Any], says: str) -> None:
    with pytest.raises(IntegrityError, match=says):
        prove_database(given, DATABASE)


def seen(state: str = "Stopped", pid: int = 0, boot: str = "b", name: str = "S") -> tuple[WatchedService, ...]:
    return (WatchedService(name=name, state=state, pid=pid, boot=boot),)


def test_a_window_that_held() -> None:
    prove_window(seen(), seen(), ("s",))


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (seen("Running", 4), seen(), "directly before the shadow copy was S Running"),
        (seen(), seen("Stop Pending"), "directly after the shadow copy was S Stop Pending"),
        (seen(pid=7), seen(), "directly before"),
        (seen(), seen(boot="c"), "restarted"),
        (seen(boot=""), seen(boot=""), "boot time of the host"),
        (seen(), seen(name="T"), "not the same ones"),
        ((), (), "state of s around the shadow copy is not known"),
        (seen(name="T"), seen(name="T"), "state of s around the shadow copy is not known"),
    ],
)
def test_a_window_that_did_not(
    before: tuple[WatchedService, ...], after: tuple[WatchedService, ...], says: str
) -> None:
    with pytest.raises(IntegrityError, match=says):
        prove_window(before, after, ("s",))
