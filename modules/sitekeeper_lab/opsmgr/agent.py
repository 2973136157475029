"""The monitoring agent of a host: it takes a wish for maintenance mode, and the management group takes it up minutes later.

Microsoft Learn, "How to suspend monitoring temporarily by using maintenance mode": the cmdlet stores its arguments, a rule
reads them every five minutes (2016) and sets maintenance mode by them.
"""

from __future__ import annotations

from sitekeeper_lab.host import Host

KEY = r"HKLM\SOFTWARE\Microsoft\Microsoft Operations Manager\3.0"
FOLDER = r"C:\Program Files\Microsoft Monitoring Agent\Agent"
TAKEN_UP_SECONDS = 300.0


def install_agent(host: Host) -> None:
    """The agent's folder, its module and its keys. The registry is saved by the caller."""
    host.make_folder(FOLDER)
    host.write(FOLDER + r"\MaintenanceMode.dll", b"MZ")
    host.registry.set(KEY + r"\Setup", "InstallDirectory", "REG_SZ", FOLDER + "\\")


def has_agent(host: Host) -> bool:
    """Whether the host has an agent that takes wishes."""
    return host.registry.value(KEY + r"\Setup", "InstallDirectory") is not None


def ask_agent(host: Host, minutes: int, reason: str, comment: str) -> None:
    """Start-SCOMAgentMaintenanceMode: the wish is written down (duration and reason first, bars between) and waits."""
    host.registry.set(KEY + r"\MaintenanceMode", "record", "REG_SZ", f"{minutes}|{reason}|{comment}")
    host.registry.save()
    host.audit.write("change", host.name, kind="agent maintenance", what="record", to=f"{minutes} {comment}")
    for told in host.on_agent_request:
        told(minutes, comment)
