"""``store.prune`` in a play, and dropping a set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.store.good_set import published

from sitekeeper.engine.errors import InventoryError, UsageError
from sitekeeper.store.format.store_folder import Folder
from sitekeeper.store.keeping import trash
from sitekeeper.store.prune import Prune, PruneParams

from .conftest import Kit


@pytest.fixture
def ctx(kit: Any, store: Any) -> Any:
    made = kit.Context(None)
    made.vars = {"store": str(store.root), "retention": {"keep": 1}}
    made.site_code = lambda: "PR1"
    return made


def sets(store: Folder) -> list[str]:
    return [folder.name for folder in store.sets()]


def test_what_goes_is_planned_and_then_dropped(kit: Kit, store: Folder, ctx: Any) -> None:
    for generation in (7, 8, 9):
        published(kit, store, generation, taken_at=f"2026-11-{generation:02}T00:00:00+00:00")
    plan = Prune().plan(ctx, PruneParams())
    assert [change.what for change in plan.changes] == [f"store {store.root}"] * 2
    assert len(sets(store)) == 3
    result = Prune().apply(ctx, PruneParams(), plan)
    assert (result.dropped, result.kept, result.partial) == (("PR1-000007", "PR1-000008"), 1, "")
    assert sets(store) == ["PR1-000009"]
    assert Prune().apply(ctx, PruneParams(), plan).dropped == result.dropped  # twice does no harm
    assert Prune().plan(ctx, PruneParams()).changes == ()
    assert store.newest("PR1") == 9  # no id is given twice


def test_damaged_sets_make_the_run_a_partial_failure(kit: Kit, store: Folder, ctx: Any) -> None:
    damaged = published(kit, store, 7)
    published(kit, store, 8, taken_at="2026-11-25T00:00:00+00:00")
    (damaged / "manifest.json").unlink()
    result = Prune().plan(ctx, PruneParams()).result
    assert (result.dropped, result.kept) == ((), 2)
    assert "damaged and left alone: PR1-000007: no readable manifest" in result.partial


def test_without_policy_or_sets_nothing_goes(kit: Kit, store: Folder, ctx: Any) -> None:
    assert Prune().plan(ctx, PruneParams()).changes == ()
    published(kit, store, 7)
    published(kit, store, 8)
    del ctx.vars["retention"]
    plan = Prune().plan(ctx, PruneParams())
    assert (plan.changes, plan.result.msg) == ((), "sets of PR1: no policy: nothing is deleted")
    ctx.vars["retention"] = {"keep": "one"}
    with pytest.raises(InventoryError, match=r"retention\.keep"):
        Prune().plan(ctx, PruneParams())
    ctx.vars |= {"retention": {"keep": 1}, "store": str(store.root / "nowhere")}
    assert Prune().plan(ctx, PruneParams()).changes == ()
    ctx.site_code = lambda: None
    with pytest.raises(UsageError, match="has no site"):
        Prune().plan(ctx, PruneParams())


def test_dropping(kit: Kit, store: Folder, tmp_path: Path) -> None:
    folder = published(kit, store, 7)
    published(kit, store, 8)
    assert trash.drop(store, folder)
    assert not trash.drop(store, folder)  # another one was faster
    assert sets(store) == ["PR1-000008"]
    assert (store.root / ".trash").stat().st_mode & 0o777 == 0o700
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    (store.root / ".trash" / "link").symlink_to(tmp_path / "mine")
    assert trash.waiting(store) == 2
    assert trash.empty(store) == 2
    assert (tmp_path / "mine" / "file").exists()  # a link is deleted, not what it points at
    assert trash.empty(store) == 0
