"""When a started site has settled: the same processes for a while, a log that grows, no inbox that only grows.

Windows says Running long before ConfigMgr works, and an executive that was restarted too quickly hangs (KB Q260366).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sitekeeper.engine.errors import RemoteError, RemoteTimeoutError
from sitekeeper.engine.figures import show_duration
from sitekeeper.engine.session import Context
from sitekeeper.model.windows import ServiceState

States = Callable[[Context, Sequence[str]], tuple[ServiceState, ...]]


@dataclass(frozen=True, slots=True)
class Settling:
    """What must settle, for how long (seconds), and how long we wait for it."""

    names: tuple[str, ...]
    seconds: float
    timeout: float
    drive: str = ""
    path: str = ""


@dataclass(slots=True)
class _Observation:
    since: float
    pids: tuple[int, ...]
    log: int
    inboxes: list[dict[str, int]] = field(default_factory=list)


def log_length(ctx: Context, what: Settling) -> int | None:
    """Bytes of the component manager's log before anything is started; None if it cannot be read.

    An error here does not prevent the start: the same problem shows again afterwards.
    """
    try:
        return _activity(ctx, what)[0]
    except RemoteError:
        return None


def wait_until_settled(
    ctx: Context, what: Settling, states: States, start: Callable[[str], None], log_before: int | None = None
) -> None:
    """Watch until all services have kept their processes for the whole time and the site works.

    A service that dies meanwhile is started again (``start``), and the time starts over. ``log_before``: length of the log
    before the start. The log is written in a burst, which may be over when the processes are first seen.

    Raises:
        RemoteTimeoutError: it did not happen in time; the message says what is missing.

    """
    if not what.names:
        return
    until = ctx.clock.monotonic() + what.timeout
    seen: _Observation | None = None
    while True:
        now = ctx.clock.monotonic()
        found = states(ctx, what.names)
        pids = tuple(one.pid for one in found)
        log, inboxes = _activity(ctx, what)
        if any(one.state != "Running" for one in found):
            for one in found:
                if one.state == "Stopped" and now < until:
                    start(one.name)
            seen, missing = None, ", ".join(f"{one.name} is {one.state}" for one in found if one.state != "Running")
        elif seen is None or seen.pids != pids:
            first = seen is None and log_before is not None
            seen = _Observation(now, pids, log_before if first and log_before is not None else log, [inboxes])
            missing = "they have only just started"
        else:
            seen.inboxes.append(inboxes)
            missing = _missing(seen, now, log, what)
            if not missing:
                return
        if now > until:
            raise RemoteTimeoutError(f"the services did not settle within {show_duration(what.timeout)}: {missing}")
        ctx.clock.sleep(max(0.05, min(1.0, what.seconds / 4)))


def _missing(seen: _Observation, now: float, log: int, what: Settling) -> str:
    if now - seen.since < what.seconds:
        return f"running for {now - seen.since:.0f} s, {what.seconds:.0f} s are needed"
    if not what.path:
        return ""
    if log == seen.log:  # a shorter log was started over, by writing to it
        return "the component manager's log does not grow"
    rising = [
        name
        for name in seen.inboxes[0]
        if len(seen.inboxes) > 3
        and all(b.get(name, 0) > a.get(name, 0) for a, b in zip(seen.inboxes, seen.inboxes[1:], strict=False))
    ]
    return f"the number of files in inbox {rising[0]} only grows" if rising else ""


def _activity(ctx: Context, what: Settling) -> tuple[int, dict[str, int]]:
    if not what.path:
        return 0, {}
    (row,) = ctx.ps.call("Measure-SkInbox", Drive=what.drive, Path=what.path)
    pairs = [line.split("\t") for line in str(row["Inboxes"]).split("\n") if line]
    return int(row["Log"]), {name: int(count) for name, count in pairs}
