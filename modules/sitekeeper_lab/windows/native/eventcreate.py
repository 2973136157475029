"""eventcreate.exe: a record in the Application or System log (Microsoft's page: ids 1 to 1000, three types).

What it prints is from memory, not recorded.
"""

from __future__ import annotations

from collections.abc import Sequence

from sitekeeper_lab.host import Host
from sitekeeper_lab.windows.native.answer import Answer, NotEmulated

_TYPES = {"ERROR": 1, "WARNING": 2, "INFORMATION": 3}
_LOGS = {"APPLICATION": "Application", "SYSTEM": "System"}


def eventcreate(arguments: Sequence[str], host: Host) -> Answer:
    """Write one record."""
    if len(arguments) % 2:
        raise NotEmulated(f"eventcreate.exe {' '.join(arguments)}")
    asked = {name.lower(): value for name, value in zip(arguments[::2], arguments[1::2], strict=True)}
    try:
        log, kind = _LOGS[asked.pop("/l").upper()], _TYPES[asked.pop("/t").upper()]
        source, number, text = asked.pop("/so"), int(asked.pop("/id")), asked.pop("/d")
    except KeyError as error:
        raise NotEmulated(f"eventcreate.exe without or with another {error}") from error
    if asked or not 1 <= number <= 1000:
        raise NotEmulated(f"eventcreate.exe {' '.join(arguments)}")
    host.log_event(log, source, number, kind, text)
    return Answer(["", f"SUCCESS: An event of type '{arguments[arguments.index('/t') + 1]}' was created."])
