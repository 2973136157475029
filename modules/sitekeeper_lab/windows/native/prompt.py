"""A command line as ``winrs`` gives it to cmd.exe: ``echo``, ``set``, ``exit``, native tools, and ``&&`` between them.

What is none of these is refused by name. The spaces that echo keeps are those of a recorded Windows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from sitekeeper_lab.engines.api import Printed
from sitekeeper_lab.host import Host
from sitekeeper_lab.windows.native import find_tool
from sitekeeper_lab.windows.native.answer import NotEmulated

_CMD = re.compile(r"cmd(?:\.exe)? +/c +", re.IGNORECASE)
_WORD = re.compile(r'"([^"]*)"|(\S+)')
_ENVIRONMENT = {"SystemDrive": "C:", "SystemRoot": r"C:\WINDOWS", "windir": r"C:\WINDOWS", "TEMP": r"C:\WINDOWS\Temp"}


class CommandPrompt:
    """The command interpreter of one host."""

    def __init__(self, host: Host, administrators: frozenset[str]) -> None:
        self._host = host
        self._administrators = administrators

    def check(self, user: str) -> None:
        """Only administrators may open a shell on these systems.

        Raises:
            PermissionError: this user is none.

        """
        if user.lower() not in self._administrators:
            raise PermissionError(5, "Access is denied.", user)

    def run(self, line: str, environment: Mapping[str, str]) -> Printed:
        """Run it.

        Raises:
            NotImplementedError: the lab does not know this command.

        """
        output: list[str] = []
        errors: list[str] = []
        code = 0
        for part in _CMD.sub("", line, count=1).split("&&"):
            command = part.lstrip()
            name, _, rest = command.partition(" ")
            match name.lower():
                case "echo":
                    (errors if ">&2" in rest else output).append(rest.replace(">&2", ""))
                case "set" if not rest.strip():
                    known = {**_ENVIRONMENT, **environment}
                    output += [f"{key}={known[key]}" for key in sorted(known, key=str.lower)]
                case "exit":
                    code = int(rest)
                    break
                case _:
                    code = self._tool(command, output, errors)
            if code:
                break
        return Printed(_printed(output), _printed(errors), code)

    def _tool(self, command: str, output: list[str], errors: list[str]) -> int:
        name, *arguments = [quoted or plain for quoted, plain in _WORD.findall(command)] or [""]
        name = name if name.lower().endswith(".exe") else f"{name}.exe"
        tool = find_tool(name, self._host)
        if tool is None or set(command) & set("<>|&%^"):
            raise NotImplementedError(f"the command line {command!r}")
        self._host.audit.write("native", self._host.name, command=name, arguments=arguments, by="winrs")
        try:
            answer = tool(arguments, self._host)
        except NotEmulated as error:
            raise NotImplementedError(str(error)) from error
        output += answer.lines
        errors += answer.errors
        return answer.code


def _printed(lines: list[str]) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8")
