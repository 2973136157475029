"""The tries of one task: render, validate, plan, apply between intent and outcome, judge, undo, try again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sitekeeper.engine import bugs
from sitekeeper.engine.errors import BugError, Failed, RunInterruptedError, SitekeeperError, UsageError
from sitekeeper.engine.holding.leases import choose_context
from sitekeeper.engine.holding.play_limits import PlayLimits
from sitekeeper.engine.journal.records import Intent, Outcome
from sitekeeper.engine.language.plays import Task
from sitekeeper.engine.language.validation import validate_params
from sitekeeper.engine.module import Module, Params
from sitekeeper.engine.plan import Plan, Result, Unknown, UnknownValueError, unknowns
from sitekeeper.engine.run.host_state import HostState
from sitekeeper.engine.run.undo import OpenChange
from sitekeeper.engine.templates import render
from sitekeeper.engine.templates.layers import Layers, round_of


class NotUndoneError(Exception):
    """A failed attempt whose change could not be undone: nothing goes on from here, not even a rescue."""

    def __init__(self, error: SitekeeperError, undo: list[SitekeeperError]) -> None:
        super().__init__(str(error))
        self.error = error
        self.undo = undo


def failure_of(error: SitekeeperError) -> dict[str, Any]:
    """What ``register`` and ``failed_when`` see of a failure."""
    return {
        "failed": True,
        "skipped": False,
        "changed": False,
        "msg": error.message,
        "word": error.word,
        "blames": error.blames,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """One task, or one item of its loop, on one host."""

    task: Task
    state: HostState
    limits: PlayLimits
    check: bool
    variables: Callable[[], Layers]

    def run(self) -> tuple[Any, Plan[Any, Any] | None]:
        """The result and its plan; an Unknown and None where check mode cannot tell.

        Raises:
            SitekeeperError: it failed; what it had changed is undone, or is put off where that may wait.
            NotUndoneError: ... or could not be.

        """
        left = self.task.retries
        while True:
            mark = self.state.undo.mark()
            result, plan, error = self._try_once()
            if error is None:
                return result, plan
            # At once, newest first: a half-made change is one that nothing later would know of.
            undo = self.state.undo_since(mark)
            if undo:
                if self.task.ignore_errors and self.task.module.stands_alone and self.state.undo.put_off(mark, undo):
                    raise error
                raise NotUndoneError(error, undo)
            if left <= 0 or isinstance(error, UsageError | BugError):
                raise error
            if self.state.ctx.stop.is_set():
                raise RunInterruptedError("stopped by the operator before it was tried again")
            left -= 1
            self.state.clock.sleep(self.task.delay.total_seconds(), self.state.ctx.stop)

    def _try_once(self) -> tuple[Any, Plan[Any, Any] | None, SitekeeperError | None]:
        """One try, and what ``failed_when`` and ``until`` make of it."""
        task = self.task
        result: Any = None
        plan: Plan[Any, Any] | None = None
        error: SitekeeperError | None = None
        try:
            result, plan = self._once()
        except SitekeeperError as failed:
            error = failed
        except Exception as bug:  # noqa: BLE001 - the change that it may have made is undone like any other
            return (
                None,
                None,
                bugs.report(bug, host=self.state.ctx.host, folder=self.state.journal.folder, task=task.name),
            )
        if isinstance(result, Unknown):
            return result, None, None
        seen = result if error is None else failure_of(error)
        judged = self.variables().over({"result": seen} | ({task.register: seen} if task.register else {}))
        try:
            if task.failed_when is not None:
                if render.condition(task.failed_when, judged, task.body.of("failed_when")):
                    error = error or Failed("failed_when is true")
                elif error is not None:
                    result, error = Result(msg=error.message), None
            waits = task.until is not None and not self.check  # what is only planned never comes true
            if error is None and waits and not render.condition(task.until, judged, task.body.of("until")):
                error = Failed(f"`until` was still false after {task.retries + 1} tries")
        except UnknownValueError:
            pass  # what only applying can tell is no failure of a plan
        except SitekeeperError as failed:
            error = error or failed
        return result, plan, error

    def _once(self) -> tuple[Any, Plan[Any, Any] | None]:
        task, variables = self.task, self.variables()
        values = {key: render.render(value, variables, task.origins.of(key)) for key, value in task.params.items()}
        module = task.module()
        try:
            params = validate_params(task.module, values, task.origins)
            self.state.ctx.needs(module.needs)
            plan = module.plan(self.state.ctx, params)
        except UnknownValueError as needed:
            return needed.unknown, None
        except UsageError:
            held = unknowns(values)
            if not self.check or not held:
                raise
            return held[0], None
        applies = bool(plan.changes) and not self.check
        if applies:
            self.limits.take_machines(module.machines(params))
        return self._apply(module, params, plan) if applies else plan.result, plan

    def _apply(self, module: Module[Any, Any, Any], params: Params, plan: Plan[Any, Any]) -> Any:
        """The change, between its intent and its outcome."""
        task, state = self.task, self.state
        if module.on_host:
            state.leases.take(choose_context(state.ctx, plan.intent))
            state.guarding.cover(module.covers(plan.intent))
        intent = Intent(
            module=module.name(),
            policy=task.undo,
            name=task.name,
            round=round_of(self.variables()),
            intent=plan.intent,
        )
        number = state.journal.intent(intent, host=state.ctx.host, task=task.path)
        change = OpenChange(number, task.path, task.name, task.undo, module, plan.intent, state.ctx, origin=task.origin)
        state.undo.push(change)
        result = module.apply(state.ctx, params, plan)
        change.outcome = result
        state.journal.commit(Outcome(result), host=state.ctx.host, task=task.path, change=number)
        return result
