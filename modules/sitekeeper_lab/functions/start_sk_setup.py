"""The twin of Start-SkSetup.ps1."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator

from sitekeeper_lab.engines.api import PsObject
from sitekeeper_lab.functions.shared.twin import Call, custom, run_tool, same, text, thrown, twin, written_error

SHA256 = "545ef2bf4d181c45f39b15d744fa8c44effb7a14391598ebd64fa56d7a35a3e9"

_STEP = re.compile(r"(prerequisites|setup)")
_NAME = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_NS = "{http://schemas.microsoft.com/windows/2004/02/mit/task}"
_NO_QUOTES = re.compile(r"[%!^&]|[^\x20-\x7e]")
_TASK = "sitekeeper-setup"
_NOT_FOUND, _INVALID_DATA, _UNAVAILABLE = 13, 6, 21


def run(call: Call) -> Iterator[PsObject]:
    """Has a step of setup run by the task that an administrator registered."""
    drive, run_id, root, step = (text(call, name) for name in ("Drive", "Run", "Root", "Step"))
    names, host = [str(one) for one in call.bound.values.get("Name") or []], call.host
    if not _STEP.fullmatch(step):
        raise thrown("SkInvalidStep")
    if not all(_NAME.fullmatch(one) for one in names):
        raise thrown("SkInvalidName")
    call.function("Protect-SkFolder", Drive=drive)
    if _NO_QUOTES.search(root):
        raise thrown("SkInvalidRoot")
    call.one("Get-SkStagePath", Root=root, Run=f"{run_id}-stage", Path="CD.Latest")
    plain = f"{root}\\{run_id}-stage"
    program = f"{plain}\\CD.Latest\\SMSSETUP\\BIN\\X64\\{'prereqchk.exe' if step == 'prerequisites' else 'setup.exe'}"
    if not host.exists(program):
        raise thrown("SkNoSetup")
    line = f'"{program}" /script "{plain}\\recover.ini"'
    if step == "prerequisites":
        kind, sql, sdk = [*names, "", "", ""][:3]
        line = f'"{program}" /NOUI /{kind} /SQL {sql} /SDK {sdk}'
    said, code = run_tool(call, "schtasks.exe", "/query", "/tn", _TASK, "/xml")
    if code != 0:
        written_error(call, f"there is no task {_TASK}", "SkNoSetupTask", _NOT_FOUND, _TASK)
        return
    # The declaration names UTF-16, which the text is no longer in.
    task = ET.fromstring("\n".join(said).strip().partition("?>")[2])  # noqa: S314 - the lab's own
    account = next(task.iter(f"{_NS}UserId")).text or ""
    commands = [(one.text or "").strip('"') for one in task.iter(f"{_NS}Command")]
    command = f"{drive}:\\sitekeeper\\setup.cmd"
    if [one.lower() for one in commands] != [command.lower()] or next(task.iter(f"{_NS}Arguments"), None) is not None:
        written_error(
            call, f"the task {_TASK} runs something else than {command}", "SkOtherSetupTask", _INVALID_DATA, _TASK
        )
        return
    if [one.text for one in task.iter(f"{_NS}LogonType")] != ["Password"]:
        written_error(
            call,
            f"the task {_TASK} does not run as an account with a password",
            "SkSetupWithoutPassword",
            _INVALID_DATA,
            _TASK,
        )
        return
    expected = text(call, "Expected")
    if expected and not same(account, expected):
        written_error(call, f"the task {_TASK} runs as {account}", "SkOtherSetupAccount", _INVALID_DATA, account)
        return
    folder = call.one("Get-SkFolder", Drive=drive, Run=run_id, Name="setup")
    started = f"{folder}\\{step}.started"
    already = host.exists(started)
    if not already:
        host.make_folder(folder)
        code_file = f"{drive}:\\sitekeeper\\{run_id}\\setup\\{step}.code"
        lines = ["@echo off", line, f">{code_file} echo %errorlevel%"]
        host.write(command, "".join(f"{one}\r\n" for one in lines).encode("ascii"))
        host.write(started, account.encode("ascii", "replace"))
        _, ran = run_tool(call, "schtasks.exe", "/run", "/tn", _TASK)
        if ran != 0:
            host.delete_file(started)
            written_error(call, f"schtasks.exe /run ended with {ran}", "SkSetupNotStarted", _UNAVAILABLE, _TASK)
            return
    yield custom(Account=account, Already=already)


TWIN = twin(
    "Start-SkSetup",
    SHA256,
    run,
    Drive="string",
    Run="string",
    Root="string",
    Step="string",
    Name="string[]",
    Expected="string",
)
