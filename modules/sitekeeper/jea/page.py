"""The page in words that goes with a role: what it allows, what a thief of it could do, what it leaves behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sitekeeper.engine.module import Allowed
from sitekeeper.jea.files import ENDPOINT, TRANSCRIPTS
from sitekeeper.jea.role import ANY, Role, inside
from sitekeeper.transport.psrp import functions


def page_of(role: Role, hosts: Sequence[str], group: str) -> str:
    """Markdown."""
    lines = [
        f"# The endpoint {ENDPOINT} on a {role.kind}",
        "",
        f"For: {', '.join(hosts)}. Who may use it: {group}. It runs as a virtual account, which is an administrator of the host;",
        "what it is asked for is limited by the role, not by rights of the account.",
        "",
        "## Install",
        "",
        "Copy this folder to the host and run `install.ps1` there as an administrator. **Registering restarts WinRM: every remote",
        "session of the host ends.** PowerShell 5.0 or newer is needed (Server 2016, or Windows Management Framework 5.1 on 2008 R2",
        "to 2012 R2; not on Server 2003 and 2008, which stay with the plain endpoint). Then, in the inventory of these hosts:",
        "",
        f"    ansible_psrp_configuration_name: {ENDPOINT}",
        "",
        "Build and install it again after every update of sitekeeper that changes a function; a run says so before it changes anything.",
        "",
        "## What a session may call",
        "",
        "No script text, no variables, no providers, no programs. Cmdlets, and what may be given to each parameter:",
        "",
        *(f"* `{name}`: {_words(parameters)}" for name, parameters in role.cmdlets.items()),
        "",
        "Functions; each checks what it is given, and takes ids and names, never a path outside the run's own folders:",
        "",
    ]
    lines += [f"* `{name}`: {_purpose(name)}{_held(parameters)}" for name, parameters in role.functions.items()]
    hidden = [name for name in inside(role.functions) if name not in role.functions]
    lines += ["", f"Used by these and not to be called: {', '.join(f'`{name}`' for name in hidden)}.", ""]
    if role.roots:
        lines += [
            f"PowerShell itself holds `Root` to what the inventory names (sql_work_dir, restore_dir): {_folders(role)}.",
            "Below it the functions need the operator's marker file `sitekeeper-work.txt`, and follow no link. One role serves all hosts",
            "named above: a folder of one is allowed on the others, where no marker lies in it. Build it again when the inventory changes.",
            "",
        ]
    lines += _setup(role)
    lines += _thief(role)
    lines += [
        "## What it leaves behind",
        "",
        f"Transcripts of every session in `{TRANSCRIPTS}` (who, when, each command with its arguments and output in text: file names",
        "and service states, no file contents as text), and the events of WinRM and PowerShell (logs *Microsoft-Windows-WinRM/Operational*",
        "and *Microsoft-Windows-PowerShell/Operational*). Both grow: let something delete old ones. sitekeeper sends no secret to a",
        "host but the login itself.",
        "",
    ]
    return "\n".join(lines)


def _setup(role: Role) -> list[str]:
    """What it means that a task runs what lies in a folder that this role writes."""
    if "Start-SkSetup" not in role.functions:
        return []
    return [
        "## The task sitekeeper-setup",
        "",
        "`Start-SkSetup` starts a task that an administrator registers for a recovery. It runs `setup.exe` out of the CD.Latest that",
        "this role itself has laid beside the site, **as the account that the task names**: an administrator of the host, and sysadmin",
        "of the SQL Server. sitekeeper never sees its password; Windows keeps it with the task. But **who holds this role can have any",
        "program run as that account while the task is there**: nothing here tells Microsoft's setup from another program of that name.",
        "So: register the task when a site is to be recovered, with an account for that alone; delete it when the site runs again",
        "(`schtasks /delete /tn sitekeeper-setup`), and lock the account. Where there is no such task, `Start-SkSetup` starts nothing.",
        "",
    ]


def _thief(role: Role) -> list[str]:
    lines = ["## What somebody could do who has stolen the account", ""]
    if "Read-SkFile" in role.functions:
        lines += [
            "* Make shadow copies of the host's volumes and read every file in them: the site database and, on a system volume, what lies",
            "  beside Windows itself. Nothing less makes a backup. **Guard this account as you guard the backups.**",
            "* Fill shadow storage, so that Windows deletes older copies.",
        ]
    if "Get-WmiObject" in role.cmdlets:
        lines.append(
            "* Read the WMI classes named above, among them every process with its command line and the event logs."
        )
    if "Invoke-WmiMethod" in role.cmdlets:
        lines.append(f"* Stop and start these services, and no other: {_words(role.cmdlets['Invoke-WmiMethod'])}.")
    if "Enter-SkLease" in role.functions:
        lines.append("* Take the host's lease, so that everybody else's runs are refused for hours.")
    if "Register-SkGuard" in role.functions:
        lines.append("* Let a guard start the services named above.")
    if "Start-SkMaintenance" in role.functions:
        lines.append(
            "* Put any computer of the management group into maintenance mode, so that its alerts are not raised."
        )
    if role.roots:
        lines.append(
            f"* Write, read and delete files of any run below {_folders(role)}: what SQL Server is to restore from there, too."
        )
    within = "the work folder `sitekeeper`" + (" and those folders" if role.roots else "")
    if "Start-SkSetup" in role.functions:
        lines += [
            "* Run any program as the account of the task sitekeeper-setup, while that task is there (see above).",
            f"* Not: write or delete files outside {within}, run a program otherwise, or a script.",
        ]
    else:
        lines.append(f"* Not: write or delete files outside {within}, run a program or a script of its own.")
    return [*lines, ""]


def _folders(role: Role) -> str:
    return ", ".join(f"`{one}`" for one in role.roots)


def _held(parameters: Mapping[str, Allowed]) -> str:
    return f" ({_words(parameters)})" if parameters else ""


def _words(parameters: Mapping[str, Allowed]) -> str:
    told = []
    for name, allowed in parameters.items():
        if allowed == ANY:
            told.append(f"-{name} (anything)")
        elif isinstance(allowed, str):
            told.append(f"-{name} like `{allowed}`")
        else:
            told.append(f"-{name} one of {', '.join(f'`{one}`' for one in allowed)}")
    return "; ".join(told)


def _purpose(name: str) -> str:
    """The first sentence of a function's comment."""
    lines = []
    for line in functions.sources()[name].splitlines()[1:]:
        if not line.strip().startswith("#"):
            break
        lines.append(line.strip().lstrip("# "))
    sentence, dot, _ = " ".join(lines).partition(". ")
    return sentence + (dot.strip() if dot else "")
