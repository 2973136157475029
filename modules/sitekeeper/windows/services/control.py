"""Windows services: read their states, stop and start them in order, wait until they have the state."""

from __future__ import annotations

from collections.abc import Sequence

from sitekeeper.engine.errors import (
    RemoteError,
    RemoteTimeoutError,
    RunInterruptedError,
    UsageError,
)
from sitekeeper.engine.figures import show_duration
from sitekeeper.engine.offline import OfflineWindow
from sitekeeper.engine.session import Context
from sitekeeper.model.windows import ServiceState
from sitekeeper.windows.services.settling import Settling, log_length, wait_until_settled

RETURN_CODES = {
    2: "access denied",
    3: "services that depend on it are running",
    5: "it does not accept the control now",
    7: "it did not respond in time",
    8: "unknown failure",
    10: "it is already running",
    14: "it is disabled",
    15: "its logon failed",
    21: "invalid parameter",
    24: "it is paused",
}
"""ReturnValue of StartService and StopService (Microsoft Learn, "StopService method of the Win32_Service class")."""


def open_offline_window(ctx: Context) -> None:
    """Note the beginning of the offline window. If several tasks stop services, the first one counts."""
    if ctx.offline is None or not ctx.offline.is_open:
        ctx.offline = OfflineWindow(ctx.clock.now().isoformat(), ctx.clock.monotonic())


def note_running(ctx: Context) -> None:
    """Note that all services of a task run; they have not settled yet."""
    if ctx.offline is not None:
        ctx.offline.up = (ctx.clock.now().isoformat(), ctx.clock.monotonic())


def close_offline_window(ctx: Context) -> float:
    """Note the end of the offline window and return its seconds. If several tasks put services back, the last one counts."""
    if ctx.offline is None:
        return 0.0
    return ctx.offline.close(ctx.clock.now().isoformat(), ctx.clock.monotonic())


def states(ctx: Context, names: Sequence[str]) -> tuple[ServiceState, ...]:
    """The services as they are now, in the order of the names.

    Raises:
        RemoteError: one does not exist.

    """
    where = " OR ".join(f"Name='{check_service_name(name)}'" for name in names)
    rows = ctx.ps.call("Get-WmiObject", Query=f"SELECT Name,State,StartMode,ProcessId FROM Win32_Service WHERE {where}")  # noqa: S608 - WQL of checked names
    by_name = {str(row["Name"]).lower(): row for row in rows}
    missing = [name for name in names if name.lower() not in by_name]
    if missing:
        raise RemoteError(
            f"{ctx.host}: service {', '.join(missing)} does not exist",
            hint="use the names that `sc query` shows, not the display names of the console",
        )
    return tuple(
        ServiceState(
            name=str(row["Name"]),
            state=str(row["State"]),
            start_mode=str(row["StartMode"]),
            pid=int(row["ProcessId"] or 0),
        )
        for row in (by_name[name.lower()] for name in names)
    )


def check_service_name(name: str) -> str:
    """Return the name if it may stand between the quotes of a WMI path or query.

    Raises:
        UsageError: it may not.

    """
    if not name or any(letter in name for letter in "'\"\\%"):
        raise UsageError(f"invalid service name {name!r}")
    return name


def _state(ctx: Context, name: str) -> ServiceState:
    return states(ctx, [name])[0]


def stop_one(ctx: Context, name: str, timeout: float, *, heed: bool = False) -> None:
    """Stop one service and wait until it is stopped. A stop that is already under way is waited for.

    ``heed``: the operator's stop ends the wait (never during an undo).

    Raises:
        RemoteTimeoutError: it did not stop in time. RemoteError: Windows refused.

    """
    until = ctx.clock.monotonic() + timeout
    state = _wait(ctx, name, {"Stopped", "Running", "Paused"}, until, "stop")
    if state == "Stopped":
        return
    code = _send_control(ctx, name, "StopService")
    if code not in {0, 5, 6, 7}:
        raise RemoteError(f"{name} cannot be stopped: {RETURN_CODES.get(code, f'code {code}')}", hint=_dependents(code))
    if code == 5 and _state(ctx, name).state == "Running":
        raise RemoteError(f"{name} cannot be stopped: it runs, and does not accept a stop now")
    _wait(ctx, name, {"Stopped"}, until, "stop", heed=heed)


def _dependents(code: int) -> str | None:
    return "list those services before it in the same task, if they may be stopped" if code == 3 else None


def start_all(
    ctx: Context, names: tuple[str, ...], timeout: float, settle: float, drive: str = "", path: str = ""
) -> None:
    """Start services in order, each only if it is not running by then, and wait until all have settled.

    Times are in seconds. ``drive`` and ``path`` are the site's; with them its log and inboxes are watched too.

    The component manager starts the executive by itself; we start it only if that does not happen. If one service cannot be
    started, the others are started all the same.
    """
    settling = Settling(names, settle, timeout, drive, path)
    log = log_length(ctx, settling)
    errors: list[RemoteError] = []
    for name in names:
        try:
            _start_one(ctx, name, timeout)
        except RemoteError as error:
            errors.append(error)
    if errors:
        raise errors[0]
    if names:
        note_running(ctx)

    def restart(name: str) -> None:
        _start_one(ctx, name, timeout)
        note_running(ctx)

    wait_until_settled(ctx, settling, states, restart, log)


def _start_one(ctx: Context, name: str, timeout: float) -> None:
    until = ctx.clock.monotonic() + timeout
    while True:
        state = _wait(ctx, name, {"Stopped", "Running", "Paused"}, until, "reach a stable state")
        if state == "Running":
            return
        code = _send_control(ctx, name, "ResumeService" if state == "Paused" else "StartService")
        if code not in {0, 5, 7, 10}:
            raise RemoteError(f"{name} cannot be started: {RETURN_CODES.get(code, f'code {code}')}")
        state = _wait(ctx, name, {"Running", "Stopped"}, until, "start", patience=5.0)
        if state == "Running":
            return
        if ctx.clock.monotonic() > until:
            raise RemoteTimeoutError(f"{name} does not start: after every attempt it is Stopped again")


def _send_control(ctx: Context, name: str, method: str) -> int:
    answer = ctx.ps.change("Invoke-WmiMethod", Path=f"Win32_Service.Name='{check_service_name(name)}'", Name=method)
    return int(answer[0]["ReturnValue"]) if answer else 0


def _wait(
    ctx: Context, name: str, wanted: set[str], until: float, verb: str, patience: float = 0.0, *, heed: bool = False
) -> str:
    """Poll until the service is in a wanted state; ``patience``: seconds for which Stopped does not count yet."""
    pause = 0.1
    hopeful = ctx.clock.monotonic() + patience
    started = ctx.clock.monotonic()
    while True:
        state = _state(ctx, name).state
        if state in wanted and not (state == "Stopped" and ctx.clock.monotonic() < hopeful):
            return state
        now = ctx.clock.monotonic()
        if heed and ctx.stop.is_set():
            raise RunInterruptedError(f"stopped by the operator while service {name} was {state}")
        if now >= until:
            raise RemoteTimeoutError(
                f"{name} did not {verb} in time: it is still {state} after {show_duration(now - started)}"
            )
        if now - started > 2:
            ctx.progress(int(now - started), int(until - started), "s", f"waiting for {name} to {verb}")
        ctx.clock.sleep(min(pause, until - now))
        pause = min(pause * 1.5, 1.0)
