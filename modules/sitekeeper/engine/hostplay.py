"""One play on one host: its tasks in order, and the taking back of its changes, however it ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sitekeeper.engine import events, templating
from sitekeeper.engine.clock import Clock
from sitekeeper.engine.errors import RunInterruptedError, SitekeeperError, UndoError, UsageError
from sitekeeper.engine.journal import Journal
from sitekeeper.engine.module import Module
from sitekeeper.engine.plan import Plan, Result, Unknown, UnknownValueError, unknowns
from sitekeeper.engine.playbook import Block, Play, Task
from sitekeeper.engine.session import Context
from sitekeeper.engine.undo import OpenChange, UndoStack
from sitekeeper.engine.validation import validated
from sitekeeper.engine.variables import Layers, lazy


@dataclass(frozen=True, slots=True)
class Selection:
    """Which tasks were asked for by ``--tags`` and ``--skip-tags``."""

    tags: frozenset[str] = frozenset()
    skip: frozenset[str] = frozenset()

    def wants(self, tags: frozenset[str]) -> bool:
        """Ansible's rule: ``always`` runs unless skipped by name, ``never`` only when asked for."""
        if tags & self.skip:
            return False
        if self.tags & tags or "always" in tags:
            return True
        return not self.tags and "never" not in tags


@dataclass(slots=True)
class HostOutcome:
    """How a host's play ended."""

    host: str
    errors: list[SitekeeperError] = field(default_factory=list)
    partial: str = ""
    """Why the result is worth less than was asked for, if so."""
    summary: dict[str, Any] = field(default_factory=dict)

    @property
    def words(self) -> set[str]:
        """Classes of its failures."""
        return {error.word for error in self.errors} | ({"partial"} if self.partial else set())


class _Failed(Exception):  # noqa: N818 - it is not an error of its own, it carries one
    """A task failed; ``final`` failures cannot be rescued."""

    def __init__(self, error: SitekeeperError, *, final: bool = False) -> None:
        super().__init__(str(error))
        self.error = error
        self.final = final


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What all hosts of a run share."""

    run_id: str
    check: bool
    selection: Selection
    extra: Mapping[str, Any]
    magic: Mapping[str, Any]
    """``run``, ``groups``, ``hostvars``."""


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
    ) -> None:
        self.play = play
        self.ctx = ctx
        self.settings = settings
        self.journal = journal
        self.bus = bus
        self.clock = clock
        self.registered: dict[str, Any] = {}
        self.base = Layers(settings.magic, lazy(inventory_vars), lazy(play.vars))
        self.undo = UndoStack(journal, self._told_undone)
        self.outcome = HostOutcome(ctx.host)
        self.task_name = ""

    def run(self) -> HostOutcome:
        """All tasks, then what is to be taken back, then the lease."""
        failure: SitekeeperError | None = None
        try:
            self._items(self.play.tasks, (), Layers(), self.play.tags)
        except _Failed as failed:
            failure = failed.error
        except SitekeeperError as error:
            failure = error.at(host=self.ctx.host)
        if failure is not None:
            self.outcome.errors.append(failure)
        policies = {"play", "failure"} if failure is not None else {"play"}
        self._take_back(lambda change: change.policy in policies)
        self.undo.keep()
        if not self.undo.left and not self.settings.check:
            try:
                self.ctx.lease.give_back()
            except SitekeeperError as error:
                self.outcome.errors.append(error.at(host=self.ctx.host))
        return self.outcome

    def _take_back(self, which: Callable[[OpenChange], bool]) -> bool:
        """Undo; what could not be is a failure of the host. Answers whether all went well."""
        errors = self.undo.take_back(which)
        self.outcome.errors += errors
        return not errors

    def _items(
        self, items: tuple[Task | Block, ...], around: tuple[Block, ...], layers: Layers, tags: frozenset[str]
    ) -> None:
        for item in items:
            if isinstance(item, Task):
                self._task(item, layers, tags | item.tags)
            else:
                self._block(item, around, layers.over(lazy(item.vars)), tags | item.tags)

    def _block(self, block: Block, around: tuple[Block, ...], layers: Layers, tags: frozenset[str]) -> None:
        variables = self._variables(layers)
        try:
            if not templating.condition(block.when, variables, block.origin):
                return
        except UnknownValueError as error:
            self._told(block.name, "", "unknown", 0, msg=str(error))
            return
        except UsageError as error:
            raise _Failed(error.at(host=self.ctx.host, task=block.name)) from None
        for item in self._loop(block.loop, variables, block):
            self._block_once(block, around, layers.over(item), tags)

    def _block_once(self, block: Block, around: tuple[Block, ...], layers: Layers, tags: frozenset[str]) -> None:
        inside = (*around, block) if block.scoped else around
        depth = self.undo.mark()
        failed: _Failed | None = None
        try:
            self._items(block.tasks, inside, layers, tags)
        except _Failed as error:
            failed = error
        if block.scoped and not self._take_back(lambda change: change.policy == "block" and change.number > depth):
            failed = _Failed(self.outcome.errors[-1], final=True)
        if failed is not None and block.rescue and not failed.final:
            caught = {"ansible_failed_result": {"msg": failed.error.message, "word": failed.error.word}}
            failed = None
            try:
                self._items(block.rescue, around, layers.over(caught), tags)
            except _Failed as second:
                failed = second
        try:
            self._items(block.always, around, layers, tags)
        except _Failed as third:
            failed = failed or third
        if failed is not None:
            raise failed

    def _variables(self, layers: Mapping[str, Any]) -> Layers:
        return self.base.over(layers, self.registered, self.settings.extra)

    def _loop(self, loop: Any, variables: Layers, item: Task | Block) -> list[dict[str, Any]]:
        if loop is None:
            return [{}]
        values = templating.render(loop, variables, item.origin)
        if isinstance(values, Unknown):
            return [{"item": values}]
        if not isinstance(values, list | tuple):
            raise _Failed(UsageError("`loop` is not a list", host=self.ctx.host, task=item.name, origin=item.origin))
        return [{"item": value, "item_index": number} for number, value in enumerate(values)]

    def _task(self, task: Task, layers: Layers, tags: frozenset[str]) -> None:
        if not self.settings.selection.wants(tags):
            return
        if self.ctx.stop.is_set():
            raise _Failed(RunInterruptedError("stopped by the operator", host=self.ctx.host), final=True)
        layers = layers.over(lazy(task.vars))
        self.task_name = task.name
        try:
            items = self._loop(task.loop, self._variables(layers), task)
            results = [self._item(task, layers.over(item)) for item in items]
        except UsageError as error:
            raise _Failed(error.at(host=self.ctx.host, task=task.name, origin=task.origin)) from None
        if task.register is not None:
            value = results[0] if task.loop is None else {"results": results}
            self.registered[task.register] = value
            self.journal.note("registered", {"name": task.register, "value": value}, host=self.ctx.host, task=task.path)

    def _item(self, task: Task, layers: Layers) -> Any:
        """One task, or one item of its loop: conditions, attempts, and what is told of it."""
        started = self.clock.monotonic()
        variables = self._variables(layers)
        name = task.module.name()
        try:
            if not templating.condition(task.when, variables, task.origin):
                self._told(task.name, name, "skipped", 0)
                return Result(msg="skipped: its condition is false")
        except UnknownValueError as error:
            self._told(task.name, name, "unknown", 0, msg=str(error))
            return error.unknown
        self.bus.emit(events.TaskStarted(at=self.clock.now(), host=self.ctx.host, task=task.name, module=name))
        try:
            result, plan = self._attempts(task, layers)
        except SitekeeperError as error:
            error.at(host=self.ctx.host, task=task.name, origin=task.origin)
            status = "ignored" if task.ignore_errors else "failed"
            self._told(
                task.name, name, status, self.clock.monotonic() - started, msg=error.message, error=error.render()
            )
            if task.ignore_errors:
                return {"failed": True, "msg": error.message, "word": error.word}
            raise _Failed(error) from None
        if isinstance(result, Unknown):
            self._told(task.name, name, "unknown", 0, msg=str(result))
            return result
        status = "ok"
        if plan is not None and plan.changes:
            status = "planned" if self.settings.check else "changed"
        changes = tuple(str(change) for change in plan.changes) if plan is not None else ()
        msg = result.msg if isinstance(result, Result) else str(result)
        self._told(task.name, name, status, self.clock.monotonic() - started, msg=msg, changes=changes)
        return result

    def _attempts(self, task: Task, layers: Layers) -> tuple[Any, Plan[Any] | None]:
        left = task.retries
        while True:
            mark = self.undo.mark()
            error: SitekeeperError | None = None
            result: Any = None
            plan: Plan[Any] | None = None
            try:
                result, plan = self._attempt(task, self._variables(layers))
            except SitekeeperError as failed:
                error = failed
            seen = result if error is None else {"failed": True, "msg": error.message, "word": error.word}
            named = {"result": seen} | ({task.register: seen} if task.register else {})
            judged = self._variables(layers).over(named)
            if task.failed_when is not None:
                if templating.condition(task.failed_when, judged, task.origin):
                    error = error or SitekeeperError("failed_when is true")
                elif error is not None:
                    result, error = Result(msg=error.message), None
            done = error is None and (task.until is None or templating.condition(task.until, judged, task.origin))
            if done:
                return result, plan
            if left <= 0 or isinstance(error, UsageError):
                raise error or SitekeeperError(f"`until` was still false after {task.retries + 1} tries")
            left -= 1
            if not self._take_back(lambda change, since=mark: change.number > since):  # type: ignore[misc]  # mypy cannot infer lambdas with defaults
                raise UndoError("a failed attempt could not be taken back, so it is not tried again")
            self.clock.sleep(task.delay.total_seconds(), self.ctx.stop)

    def _attempt(self, task: Task, variables: Layers) -> tuple[Any, Plan[Any] | None]:
        values = templating.render(task.params, variables, task.origin)
        missing = [found for key in values for found in unknowns(values[key]) if isinstance(values[key], Unknown)]
        if missing:
            return missing[0], None
        params = validated(task.module, values, task.origins)
        module = task.module()
        self.ctx.needs(module.needs)
        try:
            plan = module.plan(self.ctx, params)
        except UnknownValueError as unknown:
            return unknown.unknown, None
        applies = bool(plan.changes) and not self.settings.check
        result = self._apply(task, module, plan) if applies else plan.result
        self._remember(result)
        return result, plan

    def _apply(self, task: Task, module: Module[Any, Any], plan: Plan[Any]) -> Any:
        """The change, between its intent and its outcome."""
        if module.on_host:
            self.ctx.lease.take()
        data = {"module": module.name(), "policy": task.undo, "name": task.name, "intent": plan.intent}
        number = self.journal.intent(data, host=self.ctx.host, task=task.path)
        change = OpenChange(number, task.path, task.name, task.undo, module, plan.intent, self.ctx)
        self.undo.push(change)
        result = module.apply(self.ctx, plan)
        change.outcome = result
        self.journal.commit("outcome", result, host=self.ctx.host, task=task.path, change=number)
        return result

    def _remember(self, result: Any) -> None:
        if not isinstance(result, Result):
            return
        self.outcome.summary.update(result.summary())
        if result.partial:
            self.outcome.partial = result.partial
        facts = result.facts()
        if facts:
            self.registered.update(facts)
            self.journal.note("facts", facts, host=self.ctx.host)

    def _told(
        self,
        task: str,
        module: str,
        status: str,
        seconds: float,
        *,
        msg: str = "",
        changes: tuple[str, ...] = (),
        error: str = "",
    ) -> None:
        self.bus.emit(
            events.TaskEnded(
                at=self.clock.now(), host=self.ctx.host, task=task, module=module, status=status, seconds=seconds,
                msg=msg, changes=changes, error=error,
            )
        )  # fmt: skip

    def _told_undone(self, change: OpenChange, msg: str, *, ok: bool) -> None:
        self.bus.emit(
            events.Undone(
                at=self.clock.now(), host=self.ctx.host, task=change.name, module=change.module.name(), ok=ok, msg=msg
            )
        )
