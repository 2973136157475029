"""The service control manager of a lab host, with what ConfigMgr's own services do to each other.

Codes are those of Win32_Service.StartService and StopService (0 done, 3 dependents run, 5 cannot be controlled now,
8 unknown, 10 runs already, 14 disabled, 21 invalid parameter). That a stopped service answers StopService with 5 is believed, not recorded.
"""

from __future__ import annotations

from sitekeeper_lab.host import Host
from sitekeeper_lab.windows.model import Service

DONE, NOT_SUPPORTED, DEPENDENTS_RUN, CANNOT_ACCEPT, RUNS, DISABLED = 0, 1, 3, 5, 10, 14
INVALID_PARAMETER = 21
EXECUTIVE, COMPONENT_MANAGER = "SMS_EXECUTIVE", "SMS_SITE_COMPONENT_MANAGER"
_RESTART_AFTER = 0.1
_DIE_AFTER = 0.05
_BACKLOG_SECONDS = 0.002


class ServiceControl:
    """Starts and stops the services of one host."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def find(self, name: str) -> Service | None:
        """A service by its name, whatever the case."""
        services = self.host.machine.services
        return services.get(name) or next((s for key, s in services.items() if key.lower() == name.lower()), None)

    def dependents(self, name: str) -> list[Service]:
        """The services that depend on this one."""
        return [
            s for s in self.host.machine.services.values() if name.lower() in (other.lower() for other in s.depends_on)
        ]

    def start(self, service: Service) -> int:
        """Start a service, and what it depends on first, as the real one does. Answers at once, while it is pending."""
        with self.host.lock:
            if service.start_mode == "Disabled":
                return DISABLED
            if service.state != "Stopped":
                return RUNS
            for name in service.depends_on:
                needed = self.find(name)
                if needed is not None and needed.state == "Stopped":
                    self.start(needed)
            service.pid = self._pid(service)
            service.exit_code = 0
            self._turn(service, "Start Pending")
        if not self.host.faults.take("start_hangs", service=service.name):
            boot = self.host.machine.boot_number
            self.host.timers.call_later(service.start_seconds, lambda: self._started(service, boot))
        return DONE

    def stop(self, service: Service) -> int:
        """Stop a service. Answers at once, while it is pending."""
        with self.host.lock:
            if not service.can_stop:
                return NOT_SUPPORTED
            if service.state != "Running":
                return CANNOT_ACCEPT
            if any(other.state != "Stopped" for other in self.dependents(service.name)):
                return DEPENDENTS_RUN
            self._turn(service, "Stop Pending")
        if not self.host.faults.take("stop_hangs", service=service.name):
            slow = self.host.faults.take("slow_stop", service=service.name)
            seconds = float(slow.arguments.get("seconds", 1500)) if slow else self._stop_seconds(service)
            boot = self.host.machine.boot_number
            self.host.timers.call_later(seconds, lambda: self._stopped(service, boot))
        return DONE

    def change_start_mode(self, service: Service, mode: str) -> int:
        """ChangeStartMode: what is written Automatic is read Auto; Boot and System are of drivers only."""
        wanted = {"automatic": "Auto", "manual": "Manual", "disabled": "Disabled"}.get(mode.lower())
        if wanted is None:
            return INVALID_PARAMETER
        with self.host.io_lock, self.host.lock:
            before, service.start_mode = service.start_mode, wanted
            key = f"HKLM\\SYSTEM\\CurrentControlSet\\Services\\{service.name}"
            self.host.registry.set(key, "Start", "REG_DWORD", {"Auto": 2, "Manual": 3, "Disabled": 4}[wanted])
            self.host.registry.save()
            self.host.change("start mode", service.name, before, wanted)
        return DONE

    def reboot(self) -> None:
        """Everything is off and on again: a new boot time, new process ids, automatic services run, connections are cut."""
        host = self.host
        with host.lock:
            before = host.machine.boot_time
            host.machine.boot_time = host.now().isoformat()
            host.machine.boot_number += 1
            for service in host.machine.services.values():
                running = service.start_mode == "Auto"
                service.pid = self._pid(service) if running else 0
                service.state = "Running" if running else "Stopped"
            host.change("boot", host.name, before, host.machine.boot_time)
        for service in host.machine.services.values():
            self._tell(service)
        for cut in host.on_reboot:
            cut()

    def put_down(self, *names: str) -> None:
        """Stop services at once and wait for it, as the SMS writer does in its part of a shadow copy."""
        with self.host.io_lock, self.host.lock:
            for name in names:
                service = self.find(name)
                if service is not None and service.state != "Stopped":
                    service.pid = 0
                    self._turn(service, "Stopped")

    def restart(self, *names: str) -> None:
        """Stop and start services at once, as somebody else would in between: new process ids."""
        with self.host.lock:
            for name in names:
                service = self.find(name)
                if service is not None:
                    if service.state != "Stopped":
                        self._turn(service, "Stopped")
                    service.pid = self._pid(service)
                    self._turn(service, "Running")

    def _started(self, service: Service, boot: int) -> None:
        with self.host.lock:
            if service.state != "Start Pending" or boot != self.host.machine.boot_number:
                return
            self._turn(service, "Running")
        if self.host.faults.take("start_and_die", service=service.name):
            self.host.timers.call_later(_DIE_AFTER, lambda: self._died(service, boot))
            return
        if service.name == COMPONENT_MANAGER:
            self._keep_executive()

    def _stopped(self, service: Service, boot: int) -> None:
        # Under the I/O lock, so that a service that reads as Stopped is in no middle of a write.
        with self.host.io_lock, self.host.lock:
            if service.state != "Stop Pending" or boot != self.host.machine.boot_number:
                return
            service.pid = 0
            self._turn(service, "Stopped")
        if service.name == EXECUTIVE:
            self._keep_executive()

    def _died(self, service: Service, boot: int) -> None:
        with self.host.io_lock, self.host.lock:
            if service.state != "Running" or boot != self.host.machine.boot_number:
                return
            service.pid = 0
            service.exit_code = 1067  # the process terminated unexpectedly
            self._turn(service, "Stopped")

    def _keep_executive(self) -> None:
        # KB Q302674: Component Manager starts Executive by itself, and again when it finds it stopped.
        def look() -> None:
            manager, executive = self.find(COMPONENT_MANAGER), self.find(EXECUTIVE)
            if manager and executive and manager.state == "Running" and executive.state == "Stopped":
                self.start(executive)

        manager = self.find(COMPONENT_MANAGER)
        if manager is not None and manager.state == "Running":
            self.host.timers.call_later(_RESTART_AFTER, look)

    def _stop_seconds(self, service: Service) -> float:
        return service.stop_seconds + (_BACKLOG_SECONDS * self.backlog() if service.name == EXECUTIVE else 0)

    def backlog(self) -> int:
        """Files that wait in the site's inboxes."""
        site = self.host.machine.site
        if site is None:
            return 0
        inboxes = self.host.files.resolve(site.install + "\\inboxes")
        return sum(len([e for e in box.iterdir() if e.is_file()]) for box in inboxes.iterdir() if box.is_dir())

    def _pid(self, service: Service) -> int:
        if service.shared:
            for other in self.host.machine.services.values():
                if other.shared and other.path == service.path and other.pid and other.state == "Running":
                    return other.pid
        return self.host.new_pid()

    def _turn(self, service: Service, state: str) -> None:
        before, service.state = service.state, state
        self.host.change("service", service.name, before, state)
        self._tell(service)

    def _tell(self, service: Service) -> None:
        for watch in self.host.on_service:
            watch(service.name, service.state)
