"""One play on one host: its tasks in order, and the taking back of its changes, however it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sitekeeper.engine import bugs, events
from sitekeeper.engine.clock import Clock
from sitekeeper.engine.errors import (
    BugError,
    PartialFailure,
    RemoteTimeoutError,
    RunInterruptedError,
    SitekeeperError,
    UnreachableError,
)
from sitekeeper.engine.holding import branches
from sitekeeper.engine.holding.deadlines import Deadlines
from sitekeeper.engine.holding.guarding import LONGEST_BLOCK, Guarding
from sitekeeper.engine.holding.leases import Leases
from sitekeeper.engine.holding.limits import Limits
from sitekeeper.engine.holding.play_limits import Holding
from sitekeeper.engine.inventory.hierarchy import Site
from sitekeeper.engine.journal.journal import Journal
from sitekeeper.engine.journal.records import (
    Abandoned,
    BlockClosed,
    FactsSet,
    GuardArmed,
    PlayDone,
    Registered,
    Rescued,
    TaskDone,
    TasksDone,
)
from sitekeeper.engine.language.plays import Block, Play, Task
from sitekeeper.engine.language.selection import Selection
from sitekeeper.engine.plan import Result, Unknown, UnknownValueError
from sitekeeper.engine.run.attempts import Attempts, NotTakenBackError, failure_of
from sitekeeper.engine.run.outcome import HostOutcome
from sitekeeper.engine.run.scope import Scope
from sitekeeper.engine.run.telling import Telling
from sitekeeper.engine.run.undo import OpenChange, UndoStack
from sitekeeper.engine.session import Context
from sitekeeper.engine.templates.layers import ROUND, Layers, lazy, round_of

SKIPPED: Mapping[str, Any] = {
    "skipped": True,
    "failed": False,
    "changed": False,
    "msg": "skipped: its condition is false",
}
"""What ``register`` sees of a task that was skipped."""


class _Failed(Exception):  # noqa: N818 - it is not an error of its own, it carries one
    """A task failed; ``final`` failures cannot be rescued."""

    def __init__(self, error: SitekeeperError, *, final: bool = False) -> None:
        super().__init__(str(error))
        self.error = error
        self.final = final


def _caught(failed: _Failed | None) -> dict[str, Any]:
    """What ``rescue``, and ``always`` after a failure, see of it."""
    return {} if failed is None else {"ansible_failed_result": failure_of(failed.error)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What all hosts of a run share."""

    run_id: str
    check: bool
    selection: Selection
    extra: Mapping[str, Any]
    magic: Mapping[str, Any]
    """``run``, ``groups``, ``hostvars``."""
    sites: Mapping[str, Site]
    """The hierarchy: whose windows exclude each other."""
    until: float | None = None
    """When the run must be over (monotonic seconds)."""


class HostPlay:
    """Runs a play on a host. ``run`` never raises: what failed is in its outcome."""

    def __init__(
        self,
        *,
        play: Play,
        ctx: Context,
        settings: Settings,
        inventory_vars: Mapping[str, Any],
        journal: Journal,
        bus: events.Bus,
        clock: Clock,
        limits: Limits,
    ) -> None:
        self.play = play
        self.ctx = ctx
        self.settings = settings
        self.journal = journal
        self.bus = bus
        self.clock = clock
        self.deadlines = Deadlines(ctx, clock, settings.until)
        self.guarding = Guarding(
            ctx, clock, overdue=self.deadlines.passed, lost=self.deadlines.end, note=self._note_guard
        )
        line = branches.locks(ctx.host, settings.sites) if play.branch_windows == "one" else ()
        self.holding = Holding(ctx, limits, self.deadlines, line)
        self.scope = Scope(settings.magic, lazy(inventory_vars), lazy(play.vars), extra=settings.extra)
        self.telling = Telling(ctx.host, bus, clock)
        self.leases = Leases(ctx, journal)
        self.undo = UndoStack(journal, self.leases, self.telling.undone)
        self.outcome = HostOutcome(ctx.host)
        self.task_name = ""
        self.finished: Mapping[tuple[str, str], Any] = {}
        """Results of tasks that were finished before the run was cut off, by task path and round."""
        self.closed: AbstractSet[tuple[str, str]] = frozenset()
        """Guarded blocks that were closed before the run was cut off, by path and round."""
        self._ending = 0
        """Inside how many ``always:`` parts: they run even when the operator stops the run."""

    def run(self) -> HostOutcome:
        """All tasks, then what is to be taken back, then the leases."""
        failure: SitekeeperError | None = None
        try:
            self._items(self.play.tasks, Layers(), self.play.tags)
            if not self.settings.check:
                self.journal.commit(TasksDone(), host=self.ctx.host, task=self.play.path)
        except _Failed as failed:
            failure = failed.error
        except Exception as error:  # noqa: BLE001 - a bug, or a full disk: what is open must be taken back all the same
            failure = self._own(error)
        if failure is not None and failure.goes_on:
            return self._left_alone(failure)
        if failure is not None:
            self._abandon(self.play.path)
        policies = {"block", "play"} | ({"failure"} if failure is not None else set())
        self._take_back(lambda change: change.policy in policies)
        self.undo.keep()
        if failure is not None and not any(failure is error for error in self.outcome.errors):
            self.outcome.errors.insert(0, failure)
        self._guard(lambda: self.guarding.end(proven=not self.undo.left))
        if not self.undo.left and not self.settings.check:
            try:
                with self.deadlines.lifted():
                    self.leases.give_back()
                if failure is None:
                    # Only now is nothing of it left on the host: a run that is taken up looks no further.
                    self.journal.note(PlayDone(), host=self.ctx.host, task=self.play.path)
            except Exception as error:  # noqa: BLE001 - the outcome is known by now and must not be lost
                self.outcome.errors.append(self._own(error, "give the lease back").at(origin=self.play.origin))
        self.holding.release()
        return self.outcome

    def _left_alone(self, failure: SitekeeperError) -> HostOutcome:
        """What failed goes on by itself on the host: nothing that it needs is taken away, and a resumed run follows it on."""
        self.outcome.errors.insert(0, failure)
        self._guard(lambda: self.guarding.end(proven=False))
        self.holding.release()
        return self.outcome

    def _own(self, error: Exception, task: str | None = None) -> SitekeeperError:
        """Any exception as an error of this host; what is not one of ours is a bug."""
        if isinstance(error, SitekeeperError):
            return error.at(host=self.ctx.host, task=task)
        return bugs.report(error, host=self.ctx.host, folder=self.journal.folder, task=task)

    def _abandon(self, path: str) -> None:
        """Written down before a failure is undone: half of that is nothing that a resumed run may build on."""
        if self.settings.check:
            return
        try:
            self.journal.commit(Abandoned(), host=self.ctx.host, task=path)
        except SitekeeperError:
            return  # a journal that cannot be written fails the run by itself, and is no reason to leave a site down

    def _note_guard(self, host: str) -> None:
        self.journal.commit(GuardArmed(host), host=self.ctx.host)

    def _enter_branch(self, block: Block) -> None:
        """No window while another is open above or below; what an earlier process left open is only closed."""
        self.task_name = block.name
        is_open = any(change.policy == "block" for change in self.undo.inside(f"{block.path}."))
        try:
            self.holding.branch.enter(is_open=is_open)
        except SitekeeperError as error:
            raise self._failed(block, error, final=True) from None

    def _guard_again(self, block: Block) -> None:
        """A resumed block has open changes from before: they are guarded again first."""
        try:
            for change in self.undo.inside(f"{block.path}."):
                self.guarding.cover(change.module.covers(change.intent))
        except SitekeeperError as error:
            raise self._failed(block, error, final=True) from None

    def _guard(self, work: Callable[[], None]) -> list[SitekeeperError]:
        """Something about the guard; that it fails is a failure of the host."""
        try:
            with self.deadlines.lifted():
                work()
        except SitekeeperError as error:
            failed = error.at(host=self.ctx.host, task="take the guard away", origin=self.play.origin)
            self.outcome.errors.append(failed)
            return [failed]
        return []

    def _undone(self, which: Callable[[OpenChange], bool]) -> list[SitekeeperError]:
        with self.deadlines.lifted():
            return self.undo.take_back(which)

    def _take_back(self, which: Callable[[OpenChange], bool]) -> list[SitekeeperError]:
        """Undo; what could not be is a failure of the host."""
        errors = self._undone(which)
        self.outcome.errors += errors
        return errors

    def _items(self, items: tuple[Task | Block, ...], layers: Layers, tags: frozenset[str]) -> None:
        for item in items:
            if isinstance(item, Task):
                self._task(item, layers, tags | item.tags)
            else:
                self._block(item, layers.over(lazy(item.vars)), tags | item.tags)

    def _block(self, block: Block, layers: Layers, tags: frozenset[str]) -> None:
        if not any(True for _ in self._wanted(block, tags)):
            return
        for item in self._rounds(block, layers):
            inside = layers.over(item, {ROUND: round_of(layers.over(item))} if item else {})
            try:
                holds = self.scope.holds(block, inside)
            except UnknownValueError as error:
                self._pass_over(block, tags, error.unknown)
                continue
            except SitekeeperError as error:
                raise self._failed(block, error) from None
            if holds:
                self._block_once(block, inside, tags)
            else:
                self._pass_over(block, tags, SKIPPED)

    def _wanted(self, block: Block, tags: frozenset[str]) -> Iterator[Task]:
        for part in (block.tasks, block.rescue, block.always):
            for item in part:
                if isinstance(item, Block):
                    yield from self._wanted(item, tags | item.tags)
                elif self.settings.selection.wants(tags | item.tags):
                    yield item

    def _pass_over(self, block: Block, tags: frozenset[str], value: Unknown | Mapping[str, Any]) -> None:
        """None of a block's tasks runs: say so, and register it, as if each had been asked."""
        unknown = isinstance(value, Unknown)
        self.telling.ended(block, "unknown" if unknown else "skipped", msg=str(value) if unknown else "")
        for task in self._wanted(block, tags):
            self._register(task, value)

    def _block_once(self, block: Block, layers: Layers, tags: frozenset[str]) -> None:
        """The tasks; what is scoped to the block is taken back, however they ended; then ``rescue`` and ``always``."""
        place = (block.path, round_of(layers))
        guarded = block.guard is not None and not self.settings.check
        window = block.window and not self.settings.check and place not in self.closed
        failed = self._within(block, layers, tags, guarded=guarded, window=window)
        if failed is not None:
            self._abandon(block.path)
        if block.scoped:
            failed = self._close(block, failed, guarded=guarded)
            if window:
                self.holding.branch.leave()
                if failed is None:
                    self.journal.note(BlockClosed(place[1]), host=self.ctx.host, task=block.path)
        if failed is not None and block.rescue and not failed.final:
            failed = self._rescued(block, layers.over(_caught(failed)), tags)
        failed = self._always(block, layers, tags, failed)
        if failed is not None:
            raise failed

    def _within(
        self, block: Block, layers: Layers, tags: frozenset[str], *, guarded: bool, window: bool
    ) -> _Failed | None:
        """The block's own tasks, guarded and in its branch's only window where it asks for it; answers their failure."""
        longest = block.deadline or (LONGEST_BLOCK if guarded else None)
        try:
            if guarded:
                self.guarding.enter(block.guard or timedelta(), block.keep)
            if window:
                self._enter_branch(block)
            if guarded:
                self._guard_again(block)
            with self.deadlines.within(longest, f"block `{block.name}`"):
                self._items(block.tasks, layers, tags)
        except _Failed as failed:
            return failed
        except RemoteTimeoutError as error:
            return self._failed(block, error)
        except Exception as error:  # noqa: BLE001 - a bug of ours: the block's changes are taken back all the same
            return _Failed(self._own(error), final=True)
        return None

    def _close(self, block: Block, failed: _Failed | None, *, guarded: bool) -> _Failed | None:
        """Take back what is open until the block's end. Where that fails nothing can rescue the block any more."""
        inside = f"{block.path}."
        left = self._take_back(lambda change: change.policy == "block" and change.path.startswith(inside))
        if guarded:
            left = left + self._guard(lambda: self.guarding.leave(proven=not left))
        return _Failed(failed.error if failed else left[0], final=True) if left else failed

    def _rescued(self, block: Block, layers: Layers, tags: frozenset[str]) -> _Failed | None:
        try:
            self.journal.note(Rescued(), host=self.ctx.host, task=block.path)
            self._items(block.rescue, layers, tags)
        except _Failed as failed:
            return failed
        return None

    def _always(self, block: Block, layers: Layers, tags: frozenset[str], failed: _Failed | None) -> _Failed | None:
        """Runs whatever came before, also when the operator stops the run; the first failure is the one that counts."""
        self._ending += 1
        try:
            self._items(block.always, layers.over(_caught(failed)), tags)
        except _Failed as another:
            return _Failed(failed.error, final=failed.final or another.final) if failed else another
        finally:
            self._ending -= 1
        return failed

    def _rounds(self, item: Task | Block, layers: Layers) -> list[dict[str, Any]]:
        try:
            rounds = self.scope.rounds(item, layers)
        except SitekeeperError as error:
            raise self._failed(item, error) from None
        if not rounds:
            self.telling.ended(item, "skipped", msg="nothing to loop over")
        return rounds

    def _task(self, task: Task, layers: Layers, tags: frozenset[str]) -> None:
        if not self.settings.selection.wants(tags):
            return
        layers = layers.over(lazy(task.vars))
        self.task_name = task.name
        results = []
        for item in self._rounds(task, layers):
            if self.ctx.stop.is_set() and not self._ending:
                raise _Failed(RunInterruptedError("stopped by the operator", host=self.ctx.host), final=True)
            results.append(self._item(task, layers.over(item)))
        self._register(task, results[0] if task.loop is None else {"results": results})

    def _register(self, task: Task, value: Any) -> None:
        if task.register is not None:
            self.scope.registered[task.register] = value
            self.journal.note(Registered(task.register, value), host=self.ctx.host, task=task.path)

    def _item(self, task: Task, layers: Layers) -> Any:
        """One task, or one item of its loop: conditions, attempts, and what is told of it."""
        name = task.module.name()
        earlier = self.finished.get((task.path, round_of(layers)), self)
        if earlier is not self:
            self.outcome.tasks += 1
            if isinstance(earlier, Result):
                self._remember(task, earlier)
            self.telling.ended(task, "earlier", msg="finished before the run was resumed")
            return earlier
        try:
            if not self.scope.holds(task, layers):
                self.telling.ended(task, "skipped")
                self._done(task, layers, "", dict(SKIPPED))
                return SKIPPED
        except UnknownValueError as error:
            self.telling.ended(task, "unknown", msg=str(error))
            return error.unknown
        except SitekeeperError as error:
            raise self._failed(task, error) from None
        self.outcome.tasks += 1
        begun = self.telling.started(task)
        try:
            with (
                self.deadlines.within(task.deadline, f"task `{task.name}`"),
                self.holding.during(task, self.scope.variables(layers)),
            ):
                result, plan = Attempts(
                    task=task,
                    ctx=self.ctx,
                    journal=self.journal,
                    undo=self.undo,
                    leases=self.leases,
                    clock=self.clock,
                    check=self.settings.check,
                    variables=lambda: self.scope.variables(layers),
                    cover=self.guarding.cover,
                    take_machines=self.holding.take_machines,
                    take_back=self._undone,
                ).run()
        except NotTakenBackError as failed:
            self.outcome.errors += failed.undo
            raise self._failed(task, failed.error, begun, final=True) from None
        except SitekeeperError as error:
            alone = isinstance(error, UnreachableError) and task.module.stands_alone
            final = isinstance(error, UnreachableError | BugError) and not alone
            if final or not task.ignore_errors:
                raise self._failed(task, error, begun, final=final) from None
            self.telling.failed(task, error, begun, status="ignored")
            self._done(task, layers, "", failure_of(error))
            return failure_of(error)
        except Exception as error:  # noqa: BLE001 - a bug on one host is that host's failure
            raise self._failed(task, self._own(error, task.name), begun, final=True) from None
        if isinstance(result, Unknown):
            self.telling.ended(task, "unknown", begun, msg=str(result))
            return result
        status = "ok"
        if plan is not None and plan.changes:
            status = "planned" if self.settings.check else "changed"
        changes = tuple(str(change) for change in plan.changes) if plan is not None else ()
        self._remember(task, result)
        self.telling.ended(task, status, begun, msg=result.msg, changes=changes, checks=getattr(result, "checks", ()))
        self._done(task, layers, name, result)
        return result

    def _done(self, task: Task, layers: Mapping[str, Any], module: str, result: Any) -> None:
        """Note a finished task: where a resumed run goes on."""
        if self.settings.check:
            return
        done = TaskDone(round=round_of(layers), module=module, result=result)
        self.journal.note(done, host=self.ctx.host, task=task.path)

    def _failed(
        self, item: Task | Block, error: SitekeeperError, begun: float | None = None, *, final: bool = False
    ) -> _Failed:
        """A failure, told."""
        self.telling.failed(item, error, begun)
        return _Failed(error, final=final)

    def _remember(self, task: Task, result: Result) -> None:
        told = result.summary().items()
        self.outcome.summary.update({key: value for key, value in told if not isinstance(value, Unknown)})
        if result.partial:
            less = PartialFailure(result.partial, host=self.ctx.host, task=task.name, origin=task.origin)
            self.outcome.partial = self.outcome.partial or less
        facts = result.facts()
        if facts:
            self.scope.registered.update(facts)
            self.journal.note(FactsSet(facts), host=self.ctx.host)
