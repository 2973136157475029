"""The management group watches the lab's hosts: alerts for services that go down, and the wishes of agents."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from sitekeeper_lab.host import Host
from sitekeeper_lab.opsmgr.agent import TAKEN_UP_SECONDS
from sitekeeper_lab.opsmgr.group import ManagementGroup


def watch(group: ManagementGroup, hosts: Iterable[Host]) -> None:
    """Let the group see what happens on these hosts from now on."""
    for host in hosts:
        _watch(group, host)


def _watch(group: ManagementGroup, host: Host) -> None:
    computer = f"{host.name}.{host.machine.domain}"

    def service(name: str, state: str) -> None:
        if state == "Stopped" and host.machine.services[name].start_mode == "Auto":
            group.service_is_down(computer, name)

    def wish(minutes: int, comment: str) -> None:
        host.timers.call_later(TAKEN_UP_SECONDS, lambda: _take_up(group, host, computer, minutes, comment))

    host.on_service.append(service)
    host.on_agent_request.append(wish)


def _take_up(group: ManagementGroup, host: Host, computer: str, minutes: int, comment: str) -> None:
    objects = [one for one in group.content.objects if one.computer == computer]
    group.start(objects, host.now() + timedelta(minutes=minutes), "PlannedOther", comment)
