"""sc.exe query NAME and start NAME, in the recorded form. The exit code is the Win32 error, as widely relied on."""

from __future__ import annotations

from collections.abc import Sequence

from sitekeeper_lab.host import Host
from sitekeeper_lab.windows.model import Service
from sitekeeper_lab.windows.native.answer import Answer, NotEmulated
from sitekeeper_lab.windows.services import DISABLED, DONE, RUNS, ServiceControl

_STATES = {
    "Stopped": "1  STOPPED",
    "Start Pending": "2  START_PENDING",
    "Stop Pending": "3  STOP_PENDING",
    "Running": "4  RUNNING",
}
_UNKNOWN = 1060
_NO_DEVICES = (
    "The service cannot be started, either because it is disabled or because it has no enabled devices "
    "associated with it."
)
_REFUSED = {
    RUNS: (1056, "An instance of the service is already running."),
    DISABLED: (
        1058,
        _NO_DEVICES,
    ),
}
"""Windows' own texts of these errors."""


def sc(arguments: Sequence[str], host: Host) -> Answer:
    """Run one command."""
    if len(arguments) != 2 or arguments[0].lower() not in {"query", "start"}:
        raise NotEmulated(f"sc.exe {' '.join(arguments)}")
    verb = arguments[0].lower()
    control = ServiceControl(host)
    with host.lock:
        service = control.find(arguments[1])
        if service is None:
            call = "EnumQueryServicesStatus:OpenService" if verb == "query" else "StartService: OpenService"
            text = "The specified service does not exist as an installed service."
            return Answer([f"[SC] {call} FAILED {_UNKNOWN}:", "", text, ""], _UNKNOWN)
        if verb == "query":
            return Answer(["", *_status(service)])
        code = control.start(service)
        if code == DONE:
            return Answer(
                ["", *_status(service), f"        PID                : {service.pid}", "        FLAGS              :"]
            )
    if code not in _REFUSED:
        raise NotEmulated(f"sc.exe start answering {code}")
    error, text = _REFUSED[code]
    return Answer([f"[SC] StartService FAILED {error}:", "", text, ""], error)


def _status(service: Service) -> list[str]:
    kind = "20  WIN32_SHARE_PROCESS" if service.shared else "10  WIN32_OWN_PROCESS"
    lines = [f"SERVICE_NAME: {service.name}", f"        TYPE               : {kind}"]
    lines.append(f"        STATE              : {_STATES[service.state]}")
    if service.state != "Stopped":
        stops = service.can_stop and service.state == "Running"
        controls = (
            "STOPPABLE, NOT_PAUSABLE, ACCEPTS_SHUTDOWN" if stops else "NOT_STOPPABLE, NOT_PAUSABLE, IGNORES_SHUTDOWN"
        )
        lines.append(f"                                ({controls})")
    return [
        *lines,
        f"        WIN32_EXIT_CODE    : {service.exit_code}  ({service.exit_code:#x})",
        "        SERVICE_EXIT_CODE  : 0  (0x0)",
        "        CHECKPOINT         : 0x0",
        "        WAIT_HINT          : 0x0",
    ]
