"""What stands in for Operations Manager's cmdlets under a real PowerShell: one question, one answer (``engines.pwsh.stand_in``)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sitekeeper_lab.host import Host
from sitekeeper_lab.opsmgr.agent import ask_agent
from sitekeeper_lab.opsmgr.group import ManagementGroup, Monitored


def answer(host: Host, what: str, request: dict[str, Any]) -> dict[str, Any]:
    """Answer one question.

    Raises:
        LookupError: the host is no management server, or there is no such question.

    """
    group = host.management
    match what:
        case "kind":
            return {"kind": group.content.kind if group is not None else ""}
        case "agent":
            ask_agent(host, int(request["minutes"]), request["reason"], request["comment"])
            return {}
    if group is None:
        raise LookupError(f"{host.name} is no management server")
    if what == "objects":
        return {"rows": [_row(group, one) for one in group.instances(request["class"])]}
    one = group.find(request["id"])
    match what:
        case "hosted":
            return {"rows": [_row(group, other) for other in group.hosted(one)]}
        case "window":
            window = group.window(one)
            return {"rows": [] if window is None else [{"until": window.until, "comment": window.comment}]}
        case "start":
            if not host.faults.take("maintenance_refused"):
                until = datetime.fromisoformat(request["until"])
                group.start(group.taken_along(one), until, request["reason"], request["comment"])
            return {}
        case "end":
            group.set_end(one, datetime.fromisoformat(request["until"]), request["comment"])
            return {}
        case _:
            raise LookupError(what)


def _row(group: ManagementGroup, one: Monitored) -> dict[str, Any]:
    name = f"{one.class_name}:{one.computer}"
    inside = group.window(one) is not None
    return {"Id": one.id, "DisplayName": one.computer, "FullName": name, "InMaintenanceMode": inside}
