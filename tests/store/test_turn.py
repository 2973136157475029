"""``store.turn``: every site is drilled in its turn, those first that waited longest, and all hosts of a run get one answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.cli.small_store import make_set

from sitekeeper.engine.errors import UsageError
from sitekeeper.store.format import marks_file
from sitekeeper.store.turn import Turn, TurnParams

from .conftest import Kit

SITES = ("CEN", "PR1", "PR2", "PR3")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    for site in SITES[:3]:  # PR3 was never backed up
        for generation in (1, 2):
            make_set(tmp_path, site, generation, f"2026-11-2{generation}T00:00:00+00:00")
    return tmp_path


def _drilled(store: Path, set_id: str, at: str, run: str = "earlier", result: Any = "ok") -> None:
    seen = marks_file.DrillMark(at=at, run=run, result=result)
    marks_file.change(store / set_id[:3] / set_id, lambda marks: marks.model_copy(update={"drilled": seen}))


def _due(kit: Any, store: Path, sample: int) -> set[str]:
    ctx = kit.Context(None)
    ctx.vars = {"store": str(store)}
    return {site for site in SITES if Turn().plan(ctx, TurnParams(site=site, of=SITES, sample=sample)).result.due}


def test_all_are_due_without_a_sample(kit: Kit, store: Path) -> None:
    assert _due(kit, store, 0) == set(SITES)


def test_who_was_never_drilled_comes_first_even_without_a_set(kit: Kit, store: Path) -> None:
    _drilled(store, "CEN-000002", "2026-11-20T00:00:00+00:00")
    _drilled(store, "PR1-000001", "2026-11-01T00:00:00+00:00")
    assert _due(kit, store, 2) == {"PR2", "PR3"}
    assert _due(kit, store, 3) == {"PR1", "PR2", "PR3"}


def test_turns_go_round(kit: Kit, store: Path) -> None:
    seen: list[set[str]] = []
    for night in range(4):
        due = _due(kit, store, 1) - {"PR3"}
        seen.append(due)
        for site in due or {"PR3"}:
            if site == "PR3":
                make_set(store, "PR3", 1, "2026-11-21T00:00:00+00:00")
                _drilled(store, "PR3-000001", f"2026-12-0{night + 1}T00:00:00+00:00")
            else:
                _drilled(store, f"{site}-000002", f"2026-12-0{night + 1}T00:00:00+00:00", result="failed")
    assert seen == [{"CEN"}, {"PR1"}, {"PR2"}, set()]
    assert _due(kit, store, 1) == {"CEN"}


def test_what_the_run_itself_has_drilled_by_now_passes_no_turn_on(kit: Kit, store: Path) -> None:
    ctx = kit.Context(None)
    before = _due(kit, store, 1)
    _drilled(store, "CEN-000002", "2026-12-01T00:00:00+00:00", run=ctx.run_id)
    assert _due(kit, store, 1) == before == {"CEN"}


def test_drills_of_the_backups_in_the_sets_have_turns_of_their_own(kit: Any, store: Path) -> None:
    ctx = kit.Context(None)
    ctx.vars = {"store": str(store)}
    seen = marks_file.DrillMark(at="2026-12-01T00:00:00+00:00", run="earlier", result="ok")
    marks_file.change(store / "CEN" / "CEN-000002", lambda marks: marks.model_copy(update={"backup_drilled": seen}))

    def due(source: Any) -> set[str]:
        asked = [TurnParams(site=site, of=SITES, sample=1, source=source) for site in SITES]
        return {one.site for one in asked if Turn().plan(ctx, one).result.due}

    assert (due("files"), due("backup")) == ({"CEN"}, {"PR1"})


def test_a_site_outside_of_the_turns_is_told_so(kit: Any, store: Path) -> None:
    ctx = kit.Context(None)
    ctx.vars = {"store": str(store)}
    with pytest.raises(UsageError, match="PR9 takes no turn"):
        Turn().plan(ctx, TurnParams(site="PR9", of=SITES, sample=1))


@pytest.mark.parametrize(("given", "taken"), [("5", 5), (3, 3), ("-2", None), ("many", None), (True, None), (-1, None)])
def test_a_sample_may_come_from_the_command_line(given: Any, taken: int | None) -> None:
    if taken is not None:
        assert TurnParams.model_validate({"site": "PR1", "of": SITES, "sample": given}).sample == taken
        return
    with pytest.raises(ValidationError, match="a number of things is written like 0 or 5"):
        TurnParams.model_validate({"site": "PR1", "of": SITES, "sample": given})
