"""What one host's play holds of the shared limits: those of a task while it runs, its machines, its branch of the hierarchy.

Nobody waits for ever, because whoever waits holds only what comes before it in one order: machines, branch, limits of a task.
Machines are taken outside of windows (the reader of playbooks sees to it), and a task that has limits takes nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sitekeeper.engine.errors import LimitError
from sitekeeper.engine.holding.branches import Branch
from sitekeeper.engine.holding.deadlines import Deadlines
from sitekeeper.engine.holding.limits import WAIT_SECONDS, Held, Limit, Limits, read_limits
from sitekeeper.engine.language.plays import Task
from sitekeeper.engine.session import Context
from sitekeeper.engine.templates import render


class PlayLimits:
    """The limits of one host's play."""

    def __init__(self, ctx: Context, limits: Limits, deadlines: Deadlines, branch: tuple[Limit, ...]) -> None:
        self._ctx = ctx
        self._limits = limits
        self._deadlines = deadlines
        self._machines: list[Held] = []
        self.branch = Branch(
            branch, lambda lock, wait: self._hold([lock], wait, "; one offline window at a time on a branch")
        )

    @contextmanager
    def during(self, task: Task, variables: Mapping[str, Any]) -> Iterator[None]:
        """Hold what a task ``uses`` while it runs."""
        names = render.render(list(task.uses) if task.uses else [], variables, task.body.of("uses"))
        if self._ctx.check or not names:
            yield
            return
        known = read_limits(render.render("{{ limits | default({}) }}", variables, task.body.of("uses")))
        held = self._hold([known.get(str(name), Limit(str(name))) for name in names])
        self._ctx.rate = held.rate
        try:
            yield
        finally:
            self._ctx.rate = None
            held.release()

    def take_machines(self, machines: tuple[str, ...]) -> None:
        """Wait until these machines are the play's own; they are until ``release``."""
        ours = {limit.name for held in self._machines for limit in held.limits}
        wanted = [Limit(f"machine:{name}") for name in machines if f"machine:{name}" not in ours]
        if wanted:
            self._machines.append(self._hold(wanted))

    def release(self) -> None:
        """Give everything back, at the play's end."""
        self.branch.release()
        while self._machines:
            self._machines.pop().release()

    def _hold(self, wanted: list[Limit], wait: float = WAIT_SECONDS, why: str = "") -> Held:
        """Wait for limits, and say so; no longer than the nearest deadline allows."""

        def tell(text: str) -> None:
            self._ctx.progress(0, None, "", text + why)

        try:
            return self._limits.hold(wanted, self._ctx.stop, tell, min(wait, self._deadlines.left()))
        except LimitError:
            self._deadlines.check()
            raise
