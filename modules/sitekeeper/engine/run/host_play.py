"""One play on one host: its tasks in order, and the undo of its changes, however it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from sitekeeper.engine.errors import (
    BugError,
    PartialFailure,
    RemoteTimeoutError,
    RunInterruptedError,
    SitekeeperError,
    UnreachableError,
)
from sitekeeper.engine.holding.guarding import LONGEST_BLOCK
from sitekeeper.engine.holding.play_limits import PlayLimits
from sitekeeper.engine.journal.records import (
    Abandoned,
    BlockClosed,
    FactsSet,
    PlayDone,
    Registered,
    Rescued,
    TaskDone,
    TasksDone,
)
from sitekeeper.engine.language.plays import Block, Play, Task
from sitekeeper.engine.plan import Result, Unknown, UnknownValueError
from sitekeeper.engine.run.attempts import Attempts, NotUndoneError, failure_of
from sitekeeper.engine.run.host_state import HostState
from sitekeeper.engine.run.outcome import HostOutcome
from sitekeeper.engine.run.resume import DonePart
from sitekeeper.engine.run.run_context import RunContext
from sitekeeper.engine.run.scope import Scope
from sitekeeper.engine.run.undo import OpenChange
from sitekeeper.engine.templates.layers import ROUND, Layers, lazy, round_of

SKIPPED: Mapping[str, Any] = {
    "skipped": True,
    "failed": False,
    "changed": False,
    "msg": "skipped: its condition is false",
}
"""What ``register`` sees of a task that was skipped."""


class _Failure(Exception):  # noqa: N818 - it is not an error of its own, it carries one
    """A task failed; ``final`` failures cannot be rescued."""

    def __init__(self, error: SitekeeperError, *, final: bool = False) -> None:
        super().__init__(str(error))
        self.error = error
        self.final = final


def _failure_vars(failed: _Failure | None) -> dict[str, Any]:
    """The variables in which ``rescue``, and ``always`` after a failure, see it."""
    return {} if failed is None else {"ansible_failed_result": failure_of(failed.error)}


class HostPlay:
    """Runs a play on a host. ``run`` never raises: what failed is in its outcome."""

    def __init__(
        self, play: Play, state: HostState, limits: PlayLimits, run: RunContext, done: DonePart, outcome: HostOutcome
    ) -> None:
        """``done``: what an earlier process of this run finished of the play."""
        self.play = play
        self.state = state
        self.limits = limits
        self.settings = run.settings
        self.done = done
        self.outcome = outcome
        self.ctx = state.ctx
        self.telling = state.telling
        inventory_vars = run.inventory.vars_of(state.ctx.host)
        self.scope = Scope(self.settings.magic, lazy(inventory_vars), lazy(play.vars), extra=self.settings.extra)
        self._ending = 0
        """Inside how many ``always:`` parts: they run even when the operator stops the run."""

    def run(self) -> HostOutcome:
        """All tasks, then the undo, then the leases."""
        failure: SitekeeperError | None = None
        try:
            self._run_items(self.play.tasks, Layers(), self.play.tags)
            if not self.settings.check:
                self.state.journal.commit(TasksDone(), host=self.ctx.host, task=self.play.path)
        except _Failure as failed:
            failure = failed.error
        except Exception as error:  # noqa: BLE001 - a bug, or a full disk: what is open must be undone all the same
            failure = self.state.error_of(error)
        if failure is not None and failure.goes_on:
            return self._leave_alone(failure)
        if failure is not None:
            self._abandon(self.play.path)
        policies = {"block", "play"} | ({"failure"} if failure is not None else set())
        self._undo_changes(lambda change: change.policy in policies)
        self.state.undo.keep()
        if failure is not None and not any(failure is error for error in self.outcome.errors):
            self.outcome.errors.insert(0, failure)
        self._change_guard(lambda: self.state.guarding.end(proven=not self.state.undo.left))
        if not self.state.undo.left and not self.settings.check:
            try:
                with self.state.deadlines.lifted():
                    self.state.leases.give_back()
                if failure is None:
                    # Only now nothing of it is left on the host: a resumed run looks no further.
                    self.state.journal.note(PlayDone(), host=self.ctx.host, task=self.play.path)
            except Exception as error:  # noqa: BLE001 - the outcome is known by now and must not be lost
                self.outcome.errors.append(self.state.error_of(error, "release the lease").at(origin=self.play.origin))
        self.limits.release()
        return self.outcome

    def _leave_alone(self, failure: SitekeeperError) -> HostOutcome:
        """What failed goes on by itself on the host: nothing that it needs is deleted, and a resumed run follows it further."""
        self.outcome.errors.insert(0, failure)
        self._change_guard(lambda: self.state.guarding.end(proven=False))
        self.limits.release()
        return self.outcome

    def _abandon(self, path: str) -> None:
        """Noted before a failure is undone: a resumed run must not build on a half-undone block."""
        if self.settings.check:
            return
        try:
            self.state.journal.commit(Abandoned(), host=self.ctx.host, task=path)
        except SitekeeperError:
            return  # a journal that cannot be written fails the run by itself; the site must come up all the same

    def _enter_branch(self, block: Block) -> None:
        """No window while another is open above or below; what an earlier process left open is only closed."""
        self.telling.item_name = block.name
        is_open = any(change.policy == "block" for change in self.state.undo.inside(f"{block.path}."))
        try:
            self.limits.branch.enter(is_open=is_open)
        except SitekeeperError as error:
            raise self._fail(block, error, final=True) from None

    def _guard_again(self, block: Block) -> None:
        """A resumed block has open changes from before: guard them again first."""
        try:
            for change in self.state.undo.inside(f"{block.path}."):
                self.state.guarding.cover(change.module.covers(change.intent))
        except SitekeeperError as error:
            raise self._fail(block, error, final=True) from None

    def _change_guard(self, work: Callable[[], None]) -> list[SitekeeperError]:
        """Do something about the guard; a failure of it is a failure of the host."""
        try:
            with self.state.deadlines.lifted():
                work()
        except SitekeeperError as error:
            failed = error.at(host=self.ctx.host, task="remove the guard", origin=self.play.origin)
            self.outcome.errors.append(failed)
            return [failed]
        return []

    def _undo_changes(self, which: Callable[[OpenChange], bool]) -> list[SitekeeperError]:
        """Undo; a change that cannot be undone is a failure of the host."""
        errors = self.state.undo_changes(which)
        self.outcome.errors += errors
        return errors

    def _run_items(self, items: tuple[Task | Block, ...], layers: Layers, tags: frozenset[str]) -> None:
        for item in items:
            if isinstance(item, Task):
                self._run_task(item, layers, tags | item.tags)
            else:
                self._run_block(item, layers.over(lazy(item.vars)), tags | item.tags)

    def _run_block(self, block: Block, layers: Layers, tags: frozenset[str]) -> None:
        if not any(True for _ in self._select(block, tags)):
            return
        for item in self._rounds(block, layers):
            inside = layers.over(item, {ROUND: round_of(layers.over(item))} if item else {})
            try:
                holds = self.scope.holds(block, inside)
            except UnknownValueError as error:
                self._pass_over(block, tags, error.unknown)
                continue
            except SitekeeperError as error:
                raise self._fail(block, error) from None
            if holds:
                self._run_block_once(block, inside, tags)
            else:
                self._pass_over(block, tags, SKIPPED)

    def _select(self, block: Block, tags: frozenset[str]) -> Iterator[Task]:
        for part in (block.tasks, block.rescue, block.always):
            for item in part:
                if isinstance(item, Block):
                    yield from self._select(item, tags | item.tags)
                elif self.settings.selection.wants(tags | item.tags):
                    yield item

    def _pass_over(self, block: Block, tags: frozenset[str], value: Unknown | Mapping[str, Any]) -> None:
        """None of a block's tasks runs: report it, and register it as if each had been asked."""
        unknown = isinstance(value, Unknown)
        self.telling.ended(block, "unknown" if unknown else "skipped", msg=str(value) if unknown else "")
        for task in self._select(block, tags):
            self._register(task, value)

    def _run_block_once(self, block: Block, layers: Layers, tags: frozenset[str]) -> None:
        """The tasks; then the undo of what is scoped to the block, however they ended; then ``rescue`` and ``always``."""
        place = (block.path, round_of(layers))
        guarded = block.guard is not None and not self.settings.check
        window = block.window and not self.settings.check and place not in self.done.closed
        failed = self._run_guarded(block, layers, tags, guarded=guarded, window=window)
        if failed is not None:
            self._abandon(block.path)
        if block.scoped:
            failed = self._close(block, failed, guarded=guarded)
            if window:
                self.limits.branch.leave()
                if failed is None:
                    self.state.journal.note(BlockClosed(place[1]), host=self.ctx.host, task=block.path)
        if failed is not None and block.rescue and not failed.final:
            failed = self._run_rescue(block, layers.over(_failure_vars(failed)), tags)
        failed = self._run_always(block, layers, tags, failed)
        if failed is not None:
            raise failed

    def _run_guarded(
        self, block: Block, layers: Layers, tags: frozenset[str], *, guarded: bool, window: bool
    ) -> _Failure | None:
        """The block's own tasks, guarded and in its branch's only window where it asks for it; returns their failure."""
        longest = block.deadline or (LONGEST_BLOCK if guarded else None)
        try:
            if guarded:
                self.state.guarding.enter(block.guard or timedelta(), block.keep)
            if window:
                self._enter_branch(block)
            if guarded:
                self._guard_again(block)
            with self.state.deadlines.within(longest, f"block `{block.name}`"):
                self._run_items(block.tasks, layers, tags)
        except _Failure as failed:
            return failed
        except RemoteTimeoutError as error:
            return self._fail(block, error)
        except Exception as error:  # noqa: BLE001 - a bug of ours: the block's changes are undone all the same
            return _Failure(self.state.error_of(error), final=True)
        return None

    def _close(self, block: Block, failed: _Failure | None, *, guarded: bool) -> _Failure | None:
        """Undo what is open until the block's end. If that fails, nothing can rescue the block any more."""
        inside = f"{block.path}."
        left = self._undo_changes(lambda change: change.policy == "block" and change.path.startswith(inside))
        if guarded:
            left = left + self._change_guard(lambda: self.state.guarding.leave(proven=not left))
        return _Failure(failed.error if failed else left[0], final=True) if left else failed

    def _run_rescue(self, block: Block, layers: Layers, tags: frozenset[str]) -> _Failure | None:
        try:
            self.state.journal.note(Rescued(), host=self.ctx.host, task=block.path)
            self._run_items(block.rescue, layers, tags)
        except _Failure as failed:
            return failed
        return None

    def _run_always(
        self, block: Block, layers: Layers, tags: frozenset[str], failed: _Failure | None
    ) -> _Failure | None:
        """Runs whatever came before, also when the operator stops the run; the first failure is the one that counts."""
        self._ending += 1
        try:
            self._run_items(block.always, layers.over(_failure_vars(failed)), tags)
        except _Failure as another:
            return _Failure(failed.error, final=failed.final or another.final) if failed else another
        finally:
            self._ending -= 1
        return failed

    def _rounds(self, item: Task | Block, layers: Layers) -> list[dict[str, Any]]:
        try:
            rounds = self.scope.rounds(item, layers)
        except SitekeeperError as error:
            raise self._fail(item, error) from None
        if not rounds:
            self.telling.ended(item, "skipped", msg="nothing to loop over")
        return rounds

    def _run_task(self, task: Task, layers: Layers, tags: frozenset[str]) -> None:
        if not self.settings.selection.wants(tags):
            return
        layers = layers.over(lazy(task.vars))
        self.telling.item_name = task.name
        results = []
        for item in self._rounds(task, layers):
            if self.ctx.stop.is_set() and not self._ending:
                raise _Failure(RunInterruptedError("stopped by the operator", host=self.ctx.host), final=True)
            results.append(self._run_once(task, layers.over(item)))
        self._register(task, results[0] if task.loop is None else {"results": results})

    def _register(self, task: Task, value: Any) -> None:
        if task.register is not None:
            self.scope.registered[task.register] = value
            self.state.journal.note(Registered(task.register, value), host=self.ctx.host, task=task.path)

    def _run_once(self, task: Task, layers: Layers) -> Any:
        """One task, or one item of its loop: conditions, attempts, and the report of it."""
        name = task.module.name()
        earlier = self.done.results.get((task.path, round_of(layers)), self)
        if earlier is not self:
            self.outcome.tasks += 1
            if isinstance(earlier, Result):
                self._remember(task, earlier)
            self.telling.ended(task, "earlier", msg="finished before the run was resumed")
            return earlier
        try:
            if not self.scope.holds(task, layers):
                self.telling.ended(task, "skipped")
                self._note_done(task, layers, "", dict(SKIPPED))
                return SKIPPED
        except UnknownValueError as error:
            self.telling.ended(task, "unknown", msg=str(error))
            return error.unknown
        except SitekeeperError as error:
            raise self._fail(task, error) from None
        self.outcome.tasks += 1
        began = self.telling.started(task)
        try:
            with (
                self.state.deadlines.within(task.deadline, f"task `{task.name}`"),
                self.limits.during(task, self.scope.variables(layers)),
            ):
                result, plan = Attempts(
                    task=task,
                    state=self.state,
                    limits=self.limits,
                    check=self.settings.check,
                    variables=lambda: self.scope.variables(layers),
                ).run()
        except NotUndoneError as failed:
            self.outcome.errors += failed.undo
            raise self._fail(task, failed.error, began, final=True) from None
        except SitekeeperError as error:
            alone = isinstance(error, UnreachableError) and task.module.stands_alone
            final = isinstance(error, UnreachableError | BugError) and not alone
            if final or not task.ignore_errors:
                raise self._fail(task, error, began, final=final) from None
            self.telling.failed(task, error, began, status="ignored")
            self._note_done(task, layers, "", failure_of(error))
            return failure_of(error)
        except Exception as error:  # noqa: BLE001 - a bug on one host is that host's failure
            raise self._fail(task, self.state.error_of(error, task.name), began, final=True) from None
        if isinstance(result, Unknown):
            self.telling.ended(task, "unknown", began, msg=str(result))
            return result
        status = "ok"
        if plan is not None and plan.changes:
            status = "planned" if self.settings.check else "changed"
        changes = tuple(str(change) for change in plan.changes) if plan is not None else ()
        self._remember(task, result)
        self.telling.ended(task, status, began, msg=result.msg, changes=changes, checks=getattr(result, "checks", ()))
        self._note_done(task, layers, name, result)
        return result

    def _note_done(self, task: Task, layers: Mapping[str, Any], module: str, result: Any) -> None:
        """Note a finished task: where a resumed run goes on."""
        if self.settings.check:
            return
        done = TaskDone(round=round_of(layers), module=module, result=result)
        self.state.journal.note(done, host=self.ctx.host, task=task.path)

    def _fail(
        self, item: Task | Block, error: SitekeeperError, began: float | None = None, *, final: bool = False
    ) -> _Failure:
        """A failure, told."""
        self.telling.failed(item, error, began)
        return _Failure(error, final=final)

    def _remember(self, task: Task, result: Result) -> None:
        told = result.summary().items()
        self.outcome.summary.update({key: value for key, value in told if not isinstance(value, Unknown)})
        if result.partial:
            less = PartialFailure(result.partial, host=self.ctx.host, task=task.name, origin=task.origin)
            self.outcome.partial = self.outcome.partial or less
        facts = result.facts()
        if facts:
            self.scope.registered.update(facts)
            self.state.journal.note(FactsSet(facts), host=self.ctx.host)
