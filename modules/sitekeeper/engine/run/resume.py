"""Resumes a run that was cut off: per host at its first unfinished task, or from its start with everything undone.

A host goes on where it was only if every change that it still has open is in place, as its module says from looking, or
if nothing but the undo was left to do (its last task was done, as the journal or the module says): what it published is
published once.
Otherwise, and when an undo was begun already, the rest of the undo is done, and its play runs again from the start, with a new
generation: a set belongs to one shadow copy set, and two are never mixed.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from sitekeeper.engine.errors import SecretError, SitekeeperError, UndoError, UsageError
from sitekeeper.engine.holding.branches import Branch
from sitekeeper.engine.holding.leases import choose_context
from sitekeeper.engine.inventory.hosts import Inventory
from sitekeeper.engine.journal.open_run import HostProgress, JournaledChange, OpenRun
from sitekeeper.engine.journal.records import StartedOver
from sitekeeper.engine.language.plays import Play, Playbook, Task
from sitekeeper.engine.plain import plain
from sitekeeper.engine.run.host_state import HostState
from sitekeeper.engine.secrets import find


def same_sources(run: OpenRun, playbook: Playbook, inventory: Inventory, extra: dict[str, Any], version: str) -> None:
    """Refuse to go on with other sources than those that the run began with.

    Raises:
        UsageError: names what is different.

    """
    head = run.head
    if head.check:
        raise UsageError(f"run {run.run_id} was a check: there is nothing to resume")
    for file, text in head.texts.items():
        if playbook.texts.get(run.file(file)) != text:
            raise UsageError(f"{file} was changed since the run started", hint="roll the run back and start a new one")
    if head.version != version:
        raise UsageError(
            f"the run was started by sitekeeper {head.version}, this is {version}",
            hint="roll the run back and start a new one",
        )
    if head.extra != plain(extra):
        raise UsageError("-e differs from the variables the run was started with")
    same_hosts(run, inventory, everything=True)


def same_hosts(run: OpenRun, inventory: Inventory, *, everything: bool = False) -> None:
    """Refuse an inventory in which a host of the run is missing, or has another address.

    Raises:
        UsageError: names the host and the variable.

    """
    for host in run.hosts:
        if host not in inventory.hosts:
            raise UsageError(f"host {host} of the run is not in {inventory.file}")
        before, now = run.head.hosts[host], plain(inventory.vars_of(host))
        for name in sorted({*before, *now}):
            if before.get(name) == now.get(name) or _is_moved_secret(before.get(name), now.get(name)):
                continue
            if everything or name in {"ansible_host", "ansible_port", "site_code", "database_host"}:
                raise UsageError(
                    f"{name} of {host} is {now.get(name)}, it was {before.get(name)} when the run started",
                    origin=inventory.origin_of(host, name),
                    hint="a run can only be resumed against the same machines",
                )


def _is_moved_secret(before: Any, now: Any) -> bool:
    """A secret may stand elsewhere on another control host; what it is nobody compares."""
    return all(isinstance(one, str) and one.startswith("<secret ") for one in (before, now))


def secrets_at_hand(run: OpenRun, inventory: Inventory, probe: Any) -> None:
    """Find every secret that cannot be had before anything is begun; ``probe`` tries one.

    Raises:
        SecretError: lists all that are missing.

    """
    missing: dict[str, str] = {}
    for host in run.hosts:
        for secret in find(list(inventory.vars_of(host).values())):
            try:
                probe(secret)
            except SecretError as error:
                missing[secret.reference] = error.message
    if missing:
        raise SecretError("secrets are missing: " + "; ".join(f"{name} ({text})" for name, text in missing.items()))


@dataclass(frozen=True, slots=True)
class DonePart:
    """What of a host's play an earlier process finished: nothing for a play that starts fresh."""

    results: Mapping[tuple[str, str], Any] = field(default_factory=dict)
    """Results of finished tasks, by task path and round."""
    closed: AbstractSet[tuple[str, str]] = frozenset()
    """Guarded blocks that were closed, by path and round."""


def take_up(state: HostState, play: Play, branch: Branch, progress: HostProgress) -> DonePart:
    """Bring a host's play to where it was, or to its start with nothing left open.

    Raises:
        UndoError: what was left behind could not be undone.

    """
    if not progress.open and not progress.finished:
        state.ctx.offline = progress.offline
        return DonePart()
    state.adopt(progress)
    # Cut off between a change's outcome and its task's end: the outcome is the task's result.
    made = {(one.path, one.round): one.outcome or _find_made(state, one) for one in progress.open}
    done = {place: result for place, result in made.items() if result is not None} | progress.finished
    over = progress.only_undo or _last_task(play) in {path for path, _ in done}
    if over or (not progress.abandoned and _in_place(state, progress) and _branch_free(play, branch, progress)):
        return DonePart(done, progress.closed)
    errors = state.undo_all()
    if errors:
        raise UndoError(f"cannot resume: {errors[0].message}", host=state.ctx.host, hint=errors[0].hint)
    state.ctx.offline = None
    state.journal.commit(StartedOver(), host=state.ctx.host)
    state.leases.anew()
    return DonePart()


def _find_made(state: HostState, change: JournaledChange) -> Any:
    """The result of a change that has no outcome, if it is certain that it was made."""
    return change.module().made(state.ctx, change.intent) if change.intent is not None else None


def _last_task(play: Play) -> str:
    """The path of the task after which only undo is left; empty where a block or a loop decides which is the last one."""
    last = play.tasks[-1] if play.tasks else None
    return last.path if isinstance(last, Task) and last.loop is None else ""


def _branch_free(play: Play, branch: Branch, progress: HostProgress) -> bool:
    """A window that the dead process left open goes on only if no other has been opened on its line meanwhile.

    To wait with it would keep the site down: it is closed, and the play waits from its start, with the services running.
    """
    windows = {f"{block.path}." for _, around in play.walk() for block in around if block.window}
    left_open = [one for one in progress.open if one.policy == "block" and one.path.startswith(tuple(windows))]
    return not left_open or branch.at_once()


def _in_place(state: HostState, progress: HostProgress) -> bool:
    """Whether every open change is whole and still there."""
    for change in progress.open:
        if not change.module.reversible:
            continue  # done again, or found done, by its own task
        if change.outcome is None or change.intent is None:
            return False
        try:
            state.ctx.needs(change.module.needs)
            generation = state.leases.generation(choose_context(state.ctx, change.intent))
            if not change.module().in_place(state.ctx, change.intent, change.outcome, generation):
                return False
        except SitekeeperError:
            return False
    return True
