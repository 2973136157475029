"""Going on with a run that was cut off: per host at its first unfinished task, or from its start with everything undone.

A host goes on where it was only if every change that it still has open is in place, as its module says from looking, or
if nothing but the undo was left to do (its last task was done, as the journal or the module says): what it published is
published once.
Otherwise, and when an undo was begun already, the rest of the undo is done, and its play runs again from the start, with a new
generation: a set belongs to one shadow copy set, and two are never mixed.
"""

from __future__ import annotations

from typing import Any

from sitekeeper.engine.errors import SecretError, SitekeeperError, UndoError, UsageError
from sitekeeper.engine.holding.leases import changed_on
from sitekeeper.engine.inventory.hosts import Inventory
from sitekeeper.engine.journal.open_run import HostProgress, Journaled, OpenRun
from sitekeeper.engine.journal.records import Abandoned, StartedOver
from sitekeeper.engine.language.plays import Playbook, Task
from sitekeeper.engine.plain import plain
from sitekeeper.engine.run.host_play import HostPlay
from sitekeeper.engine.run.undo import stack_of
from sitekeeper.engine.secrets import find


def same_sources(run: OpenRun, playbook: Playbook, inventory: Inventory, extra: dict[str, Any], version: str) -> None:
    """Refuse to go on with other sources than those that the run began with.

    Raises:
        UsageError: names what is different.

    """
    head = run.head
    if head.check:
        raise UsageError(f"run {run.run_id} was a check: there is nothing to go on with")
    for file, text in head.texts.items():
        if playbook.texts.get(run.file(file)) != text:
            raise UsageError(f"{file} was changed since the run began", hint="roll the run back and start a new one")
    if head.version != version:
        raise UsageError(
            f"the run was begun by sitekeeper {head.version}, this is {version}",
            hint="roll the run back and start a new one",
        )
    if head.extra != plain(extra):
        raise UsageError("-e is different from what the run began with")
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
            if before.get(name) == now.get(name) or _moved_secret(before.get(name), now.get(name)):
                continue
            if everything or name in {"ansible_host", "ansible_port", "site_code", "database_host"}:
                raise UsageError(
                    f"{name} of {host} is {now.get(name)}, it was {before.get(name)} when the run began",
                    origin=inventory.origin_of(host, name),
                    hint="a run goes on only against the same machines",
                )


def _moved_secret(before: Any, now: Any) -> bool:
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


def take_up(play: HostPlay, progress: HostProgress) -> None:
    """Bring a host's play to where it was, or to its start with nothing left open.

    Raises:
        UndoError: what was left behind could not be taken back.

    """
    ctx = play.ctx
    ctx.offline = progress.offline
    if not progress.open and not progress.finished:
        return
    play.leases.adopt(progress.leased)
    play.guarding.adopt(progress.guarded)
    # Cut off between a change's outcome and its task's end: the outcome is the task's result.
    made = {(one.path, one.round): one.outcome or _made(play, one) for one in progress.open}
    done = {place: result for place, result in made.items() if result is not None} | progress.finished
    over = progress.only_undo or _last_task(play) in {path for path, _ in done}
    goes_on = not progress.abandoned and _in_place(play, progress) and _branch_free(play, progress)
    if over or goes_on:
        play.undo = stack_of(ctx, progress, play.journal, play.leases, play.telling.undone)
        play.finished = done
        play.closed = progress.closed
        return
    play.journal.commit(Abandoned(), host=ctx.host)
    stack = stack_of(ctx, progress, play.journal, play.leases, play.telling.undone)
    errors = stack.take_back(lambda change: change.policy != "never")
    stack.keep()
    if errors:
        raise UndoError(f"cannot go on: {errors[0].message}", host=ctx.host, hint=errors[0].hint)
    ctx.offline = None
    play.journal.commit(StartedOver(), host=ctx.host)
    play.leases.anew()


def _made(play: HostPlay, change: Journaled) -> Any:
    """The result of a change that has no outcome, if it is certain that it was made."""
    return change.module().made(play.ctx, change.intent) if change.intent is not None else None


def _last_task(play: HostPlay) -> str:
    """The path of the task after which nothing but undo is left; nothing where a block or a loop decides what the last one is."""
    last = play.play.tasks[-1] if play.play.tasks else None
    return last.path if isinstance(last, Task) and last.loop is None else ""


def _branch_free(play: HostPlay, progress: HostProgress) -> bool:
    """A window that the dead process left open goes on only if no other has been opened on its line meanwhile.

    To wait with it would keep the site down: it is closed, and the play waits from its start, with the services running.
    """
    windows = {f"{block.path}." for _, around in play.play.walk() for block in around if block.window}
    left_open = [one for one in progress.open if one.policy == "block" and one.path.startswith(tuple(windows))]
    return not left_open or play.holding.branch.at_once()


def _in_place(play: HostPlay, progress: HostProgress) -> bool:
    """Whether every open change is whole and still there."""
    for change in progress.open:
        if not change.module.reversible:
            continue  # done again, or found done, by its own task
        if change.outcome is None or change.intent is None:
            return False
        try:
            play.ctx.needs(change.module.needs)
            generation = play.leases.generation(changed_on(play.ctx, change.intent))
            if not change.module().in_place(play.ctx, change.intent, change.outcome, generation):
                return False
        except SitekeeperError:
            return False
    return True
