"""What the twins of the maintenance functions share: their checks, the group behind them, and what they answer."""

from __future__ import annotations

import re
from datetime import datetime

from sitekeeper_lab.engines.api import ErrorRecord, PsObject
from sitekeeper_lab.functions.shared.twin import Call, custom, method_failed, round_trip, thrown
from sitekeeper_lab.opsmgr.group import ManagementGroup, Monitored

RUN = r"[0-9a-z][0-9a-z-]{0,63}"
_OURS = re.compile(rf" \[sitekeeper ({RUN})\]\Z")


def check_run(run: str) -> None:
    """``throw 'SkInvalidRun'``."""
    if not re.fullmatch(RUN, run):
        raise thrown("SkInvalidRun")


def check_minutes(minutes: int) -> None:
    """``throw 'SkInvalidDuration'``."""
    if not 5 <= minutes <= 1_051_200:
        raise thrown("SkInvalidDuration")


def parsed(call: Call, text: str) -> datetime:
    """``[DateTime]::Parse`` of a round-trip time, as a .NET method fails inside a function."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        message = f"String '{text}' was not recognized as a valid DateTime."
        raise method_failed(call, "Parse", 3, "FormatException", message) from None


def check_moment(call: Call, not_after: str) -> None:
    """``throw 'SkTooLate'``."""
    if call.host.now() > parsed(call, not_after):
        raise thrown("SkTooLate")


def mark(run: str) -> str:
    """What our comments end with."""
    return f" [sitekeeper {run}]"


def run_of(comment: str) -> str | None:
    """Whose mark a comment carries."""
    found = _OURS.search(comment)
    return found[1] if found else None


def group_of(call: Call, kind: str) -> ManagementGroup:
    """The management group whose cmdlets the function loads; without them, what PowerShell says to that."""
    group = call.host.management
    if group is not None and group.content.kind == kind:
        return group
    if kind == "scom":
        raise ErrorRecord(
            "The specified module 'OperationsManager' was not loaded because no valid module file was found in any module "
            "directory.",
            "Modules_ModuleNotFound,Microsoft.PowerShell.Commands.ImportModuleCommand",
            21,
            "System.IO.FileNotFoundException",
            "OperationsManager",
        )
    # Recorded of no host here: the words are those that people quote.
    name = "Microsoft.EnterpriseManagement.OperationsManager.Client"
    raise ErrorRecord(
        f"The Windows PowerShell snap-in '{name}' is not installed on this computer.",
        "AddPSSnapInRead,Microsoft.PowerShell.Commands.AddPSSnapinCommand",
        5,
        "System.Management.Automation.PSArgumentException",
        name,
    )


def objects_of(call: Call, group: ManagementGroup, computer: str) -> list[Monitored]:
    """The three objects of a computer."""
    found = call.function("Get-SkMonitored", Kind=group.content.kind, Computer=computer)
    return [group.find(one.extended["Id"]) for one in found]


def answered(call: Call, kind: str, computers: list[str]) -> list[PsObject]:
    """What Get-SkMaintenance says of computers."""
    rows = []
    for computer in computers:
        # Asked for first: it checks both names.
        found = call.function("Get-SkMonitored", Kind=kind, Computer=computer)
        group = group_of(call, kind)
        windows = [group.window(group.find(one.extended["Id"])) for one in found]
        first = windows[0] if windows else None
        rows.append(
            custom(
                Computer=computer,
                Objects=len(windows),
                On=first is not None,
                Inside=sum(window is not None for window in windows),
                Until=round_trip(datetime.fromisoformat(first.until)) if first else "",
                Comment=first.comment if first else "",
                Now=round_trip(call.host.now()),
            )
        )
    return rows
