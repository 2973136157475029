"""The Task Scheduler of a lab host: what runs every minute of lab time and after a start of the host.

Tasks stand in the host's ``state.json``. They run one after the other on the thread that lets things fall due, so no
two runs of one task overlap. What fires too early or late on a real host by seconds fires here at the full 60 seconds.
"""

from __future__ import annotations

from sitekeeper_lab.host import Host, Killed, Rebooted
from sitekeeper_lab.windows.model import ScheduledTask

_MINUTE = 60.0
_KILLED = 0x41306
"""SCHED_S_TASK_TERMINATED (Microsoft Learn, "Task Scheduler Error and Success Constants")."""
_NEVER_RAN = 267011
"""SCHED_S_TASK_HAS_NOT_RUN (0x41303), as schtasks shows it."""


class Tasks:
    """The tasks of one host."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._ticking = False

    def find(self, name: str) -> ScheduledTask | None:
        """A task by its name, whatever the case; a leading backslash is the root folder."""
        wanted = name.lstrip("\\").lower()
        return next((task for task in self.host.machine.tasks if task.name.lower() == wanted), None)

    def add(self, name: str, command: str, *, minutes: int | None, boot: bool) -> None:
        """Register a task."""
        with self.host.lock:
            self.host.machine.tasks.append(ScheduledTask(name, command, minutes, boot, last_result=_NEVER_RAN))
            self.host.change("task", name, None, command)

    def delete(self, task: ScheduledTask) -> None:
        """Forget a task; a run of it that is under way goes on."""
        with self.host.lock:
            self.host.machine.tasks.remove(task)
            self.host.change("task", task.name, task.command, None)

    def run_soon(self, task: ScheduledTask, why: str) -> None:
        """Run it as soon as what falls due before it is done."""
        self.host.timers.call_later(0, lambda: self._fire(task, why))

    def start(self) -> None:
        """From now on, run what is due every minute, and what is due after each start of the host."""
        self._ticking = True
        for task in self.host.machine.tasks:
            task.pid = 0  # what an earlier process of the lab ran ended with it
        self.host.on_reboot.append(self._booted)
        self.host.timers.call_later(_MINUTE, self._tick)

    def stop(self) -> None:
        """Run nothing any more."""
        self._ticking = False
        self.host.on_reboot.remove(self._booted)

    def _tick(self) -> None:
        if not self._ticking:
            return
        self.host.timers.call_later(_MINUTE, self._tick)
        for task in list(self.host.machine.tasks):
            if task.minutes == 1:
                self._fire(task, "minute")

    def _booted(self) -> None:
        for task in list(self.host.machine.tasks):
            if task.boot:
                self.run_soon(task, "boot")

    def _fire(self, task: ScheduledTask, why: str) -> None:
        # Imported here: schtasks.exe is a tool and needs this file, and a script calls tools.
        from sitekeeper_lab.windows.native.cmd import run_cmd  # noqa: PLC0415 - as above

        host = self.host
        service = host.machine.services.get("Schedule")
        if task not in host.machine.tasks or service is None or service.state != "Running":
            return
        if host.faults.peek("tasks_do_not_run"):
            host.audit.write("task", host.name, name=task.name, why=why, what="not run")
            return
        host.audit.write("task", host.name, name=task.name, why=why, what="starts")
        result = _KILLED
        self._note(task, host.new_pid())
        try:
            result = run_cmd(task.command, host)
        except (Killed, Rebooted):
            pass  # its program is gone, and so is the run
        finally:
            with host.lock:
                task.last_run, task.runs, task.last_result = host.now().isoformat(), task.runs + 1, result
            self._note(task, 0)
        host.audit.write("task", host.name, name=task.name, why=why, what="ended", result=result)

    def _note(self, task: ScheduledTask, pid: int) -> None:
        with self.host.lock:
            task.pid = pid
            self.host.save()
