"""schtasks.exe /create, /run, /query and /delete, in the forms that a guard is registered with.

/xml and /query /tn came with Windows Vista; Server 2003 takes /sc and lists all tasks only (Microsoft's pages). What the
tool prints is from memory, in English; its exit codes are 0 and 1.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from xml.sax.saxutils import escape

from sitekeeper_lab.host import Host
from sitekeeper_lab.windows.model import ScheduledTask
from sitekeeper_lab.windows.native.answer import Answer, NotEmulated
from sitekeeper_lab.windows.tasks import Tasks

_NS = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
_SWITCHES = {"/create", "/run", "/query", "/delete", "/f", "/nh"}
_SETTINGS = {
    "MultipleInstancesPolicy": "IgnoreNew",
    "DisallowStartIfOnBatteries": "false",
    "StopIfGoingOnBatteries": "false",
    "RunOnlyIfNetworkAvailable": "false",
    "RunOnlyIfIdle": "false",
    "AllowStartOnDemand": "true",
    "Enabled": "true",
}
"""What a task needs here so that it runs every minute whatever happens; the schema's other settings change nothing in the lab."""
_FREE = {"AllowHardTerminate", "StartWhenAvailable", "Hidden", "WakeToRun", "ExecutionTimeLimit", "Priority"}


def schtasks(arguments: Sequence[str], host: Host) -> Answer:
    """Run one command."""
    asked = _asked(arguments)
    tasks = Tasks(host)
    match sorted(asked):
        case ["/create", "/tn", "/xml"] if host.machine.os.level >= (6, 0):
            return _create_from_file(asked["/tn"], asked["/xml"], tasks)
        case ["/create", "/mo", "/ru", "/sc", "/tn", "/tr"] if (asked["/sc"].lower(), asked["/mo"]) == ("minute", "1"):
            return _create(asked, tasks, minutes=1, boot=False)
        case ["/create", "/ru", "/sc", "/tn", "/tr"] if asked["/sc"].lower() == "onstart":
            return _create(asked, tasks, minutes=None, boot=True)
        case ["/run", "/tn"]:
            task = tasks.find(asked["/tn"])
            if task is None:
                return _missing(asked["/tn"])
            tasks.run_soon(task, "run")
            return Answer([f'SUCCESS: Attempted to run the scheduled task "{task.name}".'])
        case ["/delete", "/f", "/tn"]:
            task = tasks.find(asked["/tn"])
            if task is None:
                return _missing(asked["/tn"])
            tasks.delete(task)
            return Answer([f'SUCCESS: The scheduled task "{task.name}" was successfully deleted.'])
        case ["/query", "/tn"] if host.machine.os.level >= (6, 0):
            task = tasks.find(asked["/tn"])
            return _missing(asked["/tn"]) if task is None else Answer(["", "Folder: \\", f"{task.name} Ready"])
        case ["/query", "/tn", "/xml"] if host.machine.os.level >= (6, 0):
            task = tasks.find(asked["/tn"])
            return _missing(asked["/tn"]) if task is None else Answer(_described(task).splitlines())
        case ["/fo", "/nh", "/query"] if asked["/fo"].lower() == "csv":
            return Answer([f'"{task.name}","N/A",""' for task in host.machine.tasks])
        case _:
            raise NotEmulated(f"schtasks.exe {' '.join(arguments)}")


def _described(task: ScheduledTask) -> str:
    """The XML of a task, as far as somebody reads it. SYSTEM has no logon type; /rp makes it Password."""
    logon = "" if task.account == "S-1-5-18" else "<LogonType>Password</LogonType>"
    return (
        f'<?xml version="1.0" encoding="UTF-16"?>\n<Task version="1.2" xmlns="{_NS.strip("{}")}">\n'
        f'<Principals><Principal id="Author"><UserId>{escape(task.account)}</UserId>{logon}</Principal></Principals>\n'
        f'<Actions Context="Author"><Exec><Command>{escape(task.command)}</Command></Exec></Actions>\n</Task>'
    )


def _asked(arguments: Sequence[str]) -> dict[str, str]:
    asked: dict[str, str] = {}
    words = list(arguments)
    while words:
        name = words.pop(0).lower()
        if not name.startswith("/") or (name not in {*_SWITCHES, "/xml"} and not words):
            raise NotEmulated(f"schtasks.exe {' '.join(arguments)}")
        bare = name in _SWITCHES or (name == "/xml" and "/query" in asked)
        asked[name] = "" if bare else words.pop(0)
    return asked


def _create(asked: dict[str, str], tasks: Tasks, *, minutes: int | None, boot: bool) -> Answer:
    if asked["/ru"].upper() != "SYSTEM":
        raise NotEmulated(f"schtasks.exe /ru {asked['/ru']}")
    return _add(tasks, asked["/tn"], asked["/tr"], minutes=minutes, boot=boot)


def _create_from_file(name: str, file: str, tasks: Tasks) -> Answer:
    root = ET.fromstring(tasks.host.read(file).decode("utf-16"))  # noqa: S314 - our own file
    parts = {child.tag.removeprefix(_NS): child for child in root}
    if root.tag != f"{_NS}Task" or set(parts) != {"RegistrationInfo", "Triggers", "Principals", "Settings", "Actions"}:
        raise NotEmulated(f"a task of {sorted(parts)}")
    (user,) = [element.text for element in parts["Principals"].iter(f"{_NS}UserId")]
    if user != "S-1-5-18":
        raise NotEmulated(f"a task of {user}")
    settings = {child.tag.removeprefix(_NS): child.text for child in parts["Settings"]}
    wrong = {key for key, value in settings.items() if key not in _FREE and _SETTINGS.get(key) != value}
    if wrong or set(_SETTINGS) - set(settings):
        raise NotEmulated(f"a task with other settings: {sorted(wrong or set(_SETTINGS) - set(settings))}")
    minutes, boot = _triggers(parts["Triggers"])
    command = [element.text or "" for element in parts["Actions"].iter(f"{_NS}Command")]
    if len(command) != 1 or any(True for _ in parts["Actions"].iter(f"{_NS}Arguments")):
        raise NotEmulated("a task with several commands or with arguments")
    return _add(tasks, name, command[0], minutes=minutes, boot=boot)


def _triggers(triggers: ET.Element) -> tuple[int | None, bool]:
    minutes, boot = None, False
    for trigger in triggers:
        facts = {element.tag.removeprefix(_NS): element.text for element in trigger.iter()}
        match trigger.tag.removeprefix(_NS):
            case "BootTrigger" if facts.get("Enabled") == "true" and "Repetition" not in facts:
                boot = True
            case "TimeTrigger" if (facts.get("Interval"), facts.get("Enabled")) == ("PT1M", "true"):
                if "Duration" in facts or not (facts.get("StartBoundary") or "").endswith("Z"):
                    raise NotEmulated("a repetition that ends, or in local time")
                minutes = 1
            case other:
                raise NotEmulated(f"the trigger {other} with {facts}")
    return minutes, boot


def _add(tasks: Tasks, name: str, command: str, *, minutes: int | None, boot: bool) -> Answer:
    if tasks.host.faults.take("task_refused"):
        return Answer([], 1, ["ERROR: Access is denied."])
    if tasks.find(name) is not None:
        raise NotEmulated(f"schtasks.exe /create over the task {name}, which asks whether to replace it")
    tasks.add(name, command, minutes=minutes, boot=boot)
    return Answer([f'SUCCESS: The scheduled task "{name}" has successfully been created.'])


def _missing(name: str) -> Answer:
    return Answer([], 1, [f'ERROR: The specified task name "{name}" does not exist in the system.'])
