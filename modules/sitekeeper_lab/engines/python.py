"""The lab's own PowerShell: cmdlets and the twins of our functions, in Python. Nothing to install, and fast.

Statements behave as those that a client adds with ``AddStatement`` (measured on a real PowerShell): an error that ends
a statement is written and the next one runs; what ``ErrorAction=Stop`` makes of an error ends the whole pipeline; and
where there is one statement only, an error that ends it ends the pipeline, too.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sitekeeper_lab.engines.api import Command, ErrorRecord, Pipeline, Sink
from sitekeeper_lab.engines.binding import Parameter, bind, require
from sitekeeper_lab.engines.call import Call, Cmdlet, Function, Session, command_not_found
from sitekeeper_lab.engines.cmdlets import BASIC
from sitekeeper_lab.engines.items import ITEMS
from sitekeeper_lab.engines.opsmgr_cmdlets import BY_KIND
from sitekeeper_lab.engines.scripts import script_twin
from sitekeeper_lab.engines.wmi_cmdlets import WMI
from sitekeeper_lab.functions import functions_by_hash
from sitekeeper_lab.host import Host, Rebooted
from sitekeeper_lab.windows.wmi import Wmi

_BUILDS = {
    "5.2.3790": "6.0.6002.18111",  # KB968930 carries its own number (from transcripts of XP and 2003, not recorded)
    "6.1.7601": "6.1.7601.17514",
    "6.3.9600": "6.3.9600.17400",
    "10.0.14393": "10.0.14393.2248",
}


class PythonEngine:
    """The PowerShell of one host."""

    def __init__(self, host: Host, *, administrators: frozenset[str] | None = None) -> None:
        self.host = host
        self.administrators = administrators
        self.wmi = Wmi(host)
        self._numbers = itertools.count(1)
        version = tuple(int(part) for part in host.machine.os.powershell.split("."))
        management = BY_KIND[host.management.content.kind] if host.management is not None else ()
        self.cmdlets = {c.name.lower(): c for c in (*BASIC, *WMI, *ITEMS, *management) if c.since <= version}

    def open(self, user: str, configuration: str = "Microsoft.PowerShell") -> PythonRunspace:
        """Start a session.

        Raises:
            PermissionError: the user is no administrator; only those may open a session on these systems.

        """
        if self.administrators is not None and user.lower() not in self.administrators:
            raise PermissionError(5, "Access is denied.", user)
        runspace = PythonRunspace(self, user, next(self._numbers))
        self.host.audit.write("session", self.host.name, user=user, runspace=runspace.number, what="open")
        return runspace

    @property
    def versions(self) -> Mapping[str, str]:
        """PSVersionTable as ApplicationPrivateData carries it, as recorded of 2008 R2, 2012 R2 and 2016.

        PSVersion is "2.0" up to 2012 R2, where only the compatible versions tell the truth; 5.1 writes its build out and
        has a PSEdition.
        """
        system = self.host.machine.os
        modern = system.level >= (10, 0)
        build = _BUILDS.get(system.version, f"{system.version}.0")
        own = f"{system.powershell}.{build.split('.', 2)[2]}" if modern else system.powershell
        major = int(system.powershell.split(".")[0])
        known = [f"{number}.0" for number in range(1, major + 1)]
        return {
            "PSVersion": own if modern else "2.0",
            **({"PSEdition": "Desktop"} if modern else {}),
            "PSCompatibleVersions": ", ".join([*known, own] if modern else known),
            "BuildVersion": build,
            "CLRVersion": system.clr,
            "WSManStackVersion": system.winrm_stack,
            "PSRemotingProtocolVersion": "2.3" if modern else "2.1" if system.winrm_stack == "2.0" else "2.2",
            "SerializationVersion": "1.1.0.1",
        }


class PythonRunspace:
    """One session: it knows the functions that were loaded into it."""

    def __init__(self, engine: PythonEngine, user: str, number: int) -> None:
        self.engine = engine
        self.user = user
        self.number = number
        self.session = Session({})

    def close(self) -> None:
        """The shell was deleted."""
        host = self.engine.host
        if self.session.lock is not None:
            host.unlock_file(self.session.lock)
            self.session.lock = None
        host.audit.write("session", host.name, user=self.user, runspace=self.number, what="close")

    def run(self, pipeline: Pipeline, sink: Sink) -> None:
        """Run a pipeline to its end.

        Raises:
            ErrorRecord: the pipeline failed with this record.

        """
        alone = len(pipeline.statements) == 1
        for statement in pipeline.statements:
            if sink.stopped.is_set():
                return
            try:
                self._statement(statement, pipeline.input, sink)
            except Rebooted:
                if sink.stopped.is_set():  # the shell is gone, and nobody is left to be told
                    return
                raise
            except OSError as error:
                # A .NET call failed, and the function's trap ended it.
                record = _io_failed(error)
                if alone:
                    raise record from error
                sink.error(record)
            except ErrorRecord as record:
                if alone or record.terminates_pipeline:
                    raise
                if statement[-1].merge_errors:
                    sink.output(record)
                else:
                    sink.error(record)

    def _statement(self, statement: tuple[Command, ...], given: Iterable[Any], sink: Sink) -> None:
        stream: Iterable[Any] = given
        for command in statement:
            self._note(command)
            stream = self._command(command, stream, sink)
        for value in stream:
            if sink.stopped.is_set():
                return
            sink.output(value)

    def _note(self, command: Command) -> None:
        text = command.text
        if command.is_script:
            text = f"script sha256 {hashlib.sha256(text.encode()).hexdigest()}"
        self.engine.host.audit.write(
            "call",
            self.engine.host.name,
            command=text,
            arguments=[[name, value] for name, value in command.parameters],
            user=self.user,
            runspace=self.number,
        )

    def _command(self, command: Command, stream: Iterable[Any], sink: Sink) -> Iterator[Any]:
        if command.is_script:
            return self._script(command, stream)
        found: Cmdlet | Function | None = self.session.functions.get(command.text.lower())
        owner, is_function = command.text, True
        if found is None:
            found, is_function = self.engine.cmdlets.get(command.text.lower()), False
            if found is None:
                raise command_not_found(command.text)
            owner = found.type_name
        parameters: Mapping[str, Parameter] = found.parameters
        bound = bind(command, owner, parameters, function=is_function)
        require(command, owner, parameters, bound)
        merge = sink.output if command.merge_errors else None
        call = Call(
            found.name,
            self.engine.host,
            self.engine.wmi,
            sink,
            bound,
            stream,
            self.session,
            bound.error_action,
            merge,
        )
        return found.run(call)

    def _script(self, command: Command, stream: Iterable[Any]) -> Iterator[Any]:
        digest = hashlib.sha256(command.text.encode()).hexdigest()
        function = functions_by_hash().get(digest)
        if function is not None:
            self.session.functions[function.name.lower()] = function
            return iter(())
        twin = script_twin(command.text)
        if twin is not None:
            return twin(self.engine.host, command, stream)
        raise unknown_script(command.text, digest)


def _io_failed(error: OSError) -> ErrorRecord:
    kind = {
        FileNotFoundError: "FileNotFoundException",
        NotADirectoryError: "DirectoryNotFoundException",
        PermissionError: "UnauthorizedAccessException",
    }.get(type(error), "IOException")
    return ErrorRecord(
        f'Exception calling a method: "{error.strerror or error}"',
        kind,
        0,
        "System.Management.Automation.MethodInvocationException",
    )


def unknown_script(text: str, digest: str) -> ErrorRecord:
    """The refusal of a script text that no twin stands for; names the function if the text defines one."""
    words = text.split(None, 2)
    what = f"the script text with sha256 {digest}"
    if len(words) > 1 and words[0].lower() == "function":
        file = words[1].lower().replace("-sk", "_sk_").replace("-", "_")
        what = f"{words[1]} with sha256 {digest} (its twin lab/functions/{file}.py is for another text)"
    return ErrorRecord(
        f"emulator: {what} is not emulated", "EmulatorNotImplemented", 11, "System.NotImplementedException", what
    )
