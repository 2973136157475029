"""cmd.exe as far as a guard's script needs it: its lines one after the other, labels, calls, ``if``, ``for``, pipes of tools.

Whatever else a line says is refused by name (NotEmulated). Written after Microsoft's reference of the commands and tried
against another implementation of cmd.exe with the same script. Variables are expanded once a line, before it is carried out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from sitekeeper_lab.host import Host
from sitekeeper_lab.windows.native import batchfiles, find_tool
from sitekeeper_lab.windows.native.answer import Answer, NotEmulated
from sitekeeper_lab.windows.native.find import find

_NOT_FOUND = 9009
_SYSTEM32 = r"c:\windows\system32"
_PERCENT = re.compile(r"%%|%(\d)|%([A-Za-z_]\w*)%")
_IF = re.compile(
    r'^if (not )?(?:(exist) (\S+)|(defined) (\w+)|(errorlevel) (\d+)|(")([^"]*)"=="([^"]*)"|(-?\d+) lss (-?\d+)) (.+)$',
    re.IGNORECASE,
)
_FOR = re.compile(r'^for (/[df] )?(?:"([^"]*)" )?%(\w) in \(([^()]+)\) do (.+)$', re.IGNORECASE)
_SUM = re.compile(r"^(\w+)=(\w+)\+(\d+)$")
_TO_FILE = re.compile(r"^(>>?)(\S+) (.+)$")
_LOCKED = re.compile(r"^(call :.+?) 9>(\S+)$", re.IGNORECASE)
_WORD = re.compile(r'"([^"]*)"|(\S+)')


def run_cmd(path: str, host: Host) -> int:
    """Run a script as SYSTEM does; answers its exit code.

    Raises:
        NotEmulated: a line is more than the lab understands.

    """
    if not host.exists(path):
        return 1
    return _Script(host, path, host.read(path).decode("ascii").split("\r\n")).run()


class _Goto(Exception):  # noqa: N818 - a jump, no fault
    pass


class _Ended(Exception):  # noqa: N818 - ``exit /b``
    pass


@dataclass(slots=True)
class _Script:
    host: Host
    path: str
    lines: list[str]
    variables: dict[str, str] = field(default_factory=lambda: {"systemroot": r"C:\WINDOWS"})
    code: int = 0

    def run(self) -> int:
        self._from(0, ())
        return self.code

    def _from(self, at: int, arguments: Sequence[str]) -> None:
        """Carry out the lines from there until the script or the called part of it ends."""
        real = self.host.files.resolve(self.path)
        while at < len(self.lines):
            line = self.lines[at].strip()
            at += 1
            if not line or line.startswith(":") or line.lower() == "@echo off" or line.lower().startswith("rem "):
                continue
            if not real.exists():  # read anew for each line, as cmd.exe does
                self.code = 1
                return
            try:
                self._command(self._expanded(line, arguments))
            except _Goto as jump:
                at = self._label(str(jump))
            except _Ended:
                return

    def _label(self, name: str) -> int:
        for number, line in enumerate(self.lines):
            if line.strip().lower() == f":{name}".lower():
                return number + 1
        raise NotEmulated(f"a jump to :{name}, which {self.path} does not have")

    def _expanded(self, line: str, arguments: Sequence[str]) -> str:
        def value(match: re.Match[str]) -> str:
            if match[1] is not None:
                number = int(match[1])
                return arguments[number - 1] if 0 < number <= len(arguments) else ""
            if match[2] is not None:
                name = match[2].lower()
                return str(self.code) if name == "errorlevel" else self.variables.get(name, "")
            return "%"

        return _PERCENT.sub(value, line)

    def _command(self, text: str) -> None:
        if match := _IF.match(text):
            if self._holds(match):
                self._command(match[match.lastindex or 0])
        elif match := _FOR.match(text):
            kind, options, name, what, body = match.groups()
            for values in batchfiles.loop(self.host, (kind or "").strip().lower(), options or "", what):
                self._command(_filled(body, name, values))
        elif match := _TO_FILE.match(text):
            self._echo(match[1], match[2], match[3])
        elif match := _LOCKED.match(text):
            self._under_lock(match[1], match[2])
        else:
            self._plain(text)

    def _holds(self, match: re.Match[str]) -> bool:
        if match[2]:
            truth = batchfiles.exists(self.host, match[3])
        elif match[4]:
            truth = match[5].lower() in self.variables
        elif match[6]:
            truth = self.code >= int(match[7])
        elif match[8]:
            truth = match[9] == match[10]
        else:
            truth = int(match[11]) < int(match[12])
        return truth is not bool(match[1])

    def _echo(self, sign: str, file: str, command: str) -> None:
        if not command.lower().startswith("echo "):
            raise NotEmulated(f"the line {command!r} with its output in a file")
        self._try(lambda: batchfiles.echo(self.host, file, command[5:], append=sign == ">>"))

    def _under_lock(self, command: str, file: str) -> None:
        """A call with a file opened for writing: nobody else can open it meanwhile; where somebody has it, nothing is called."""
        if not self.host.exists(file.rpartition("\\")[0] + "\\") or not self.host.lock_file(file):
            self.code = 1
            return
        try:
            self._plain(command)
        finally:
            self.host.unlock_file(file)

    def _plain(self, text: str) -> None:
        words = text.split(" ")
        match words[0].lower():
            case "setlocal" if len(words) == 1:
                pass
            case "goto" if len(words) == 2:
                raise _Goto(words[1].lstrip(":"))
            case "exit" if words[1:2] == ["/b"] and len(words) == 3:
                self.code = int(words[2])
                raise _Ended
            case "call" if words[1].startswith(":"):
                self._from(self._label(words[1][1:]), words[2:])
            case "set" if len(words) > 1 and "=" in text:
                self._set(text.partition(" ")[2])
            case "del" | "ren" | "move" | "rmdir":
                self._try(lambda: batchfiles.change(self.host, [word for word in words if word != ">nul"]))
            case _:
                self._tools(text)

    def _try(self, action: object) -> None:
        assert callable(action)  # noqa: S101 - narrows the type
        try:
            done = action()
        except OSError:
            done = False
        self.code = self.code if done else 1

    def _set(self, text: str) -> None:
        if text.lower().startswith("/a "):
            match = _SUM.match(text[3:])
            if match is None:
                raise NotEmulated(f"set {text}")
            left = match[2] if match[2].isdigit() else self.variables.get(match[2].lower(), "0")
            # What is no number counts as the value of a variable of that name: none, so 0.
            self.variables[match[1].lower()] = str((int(left) if left.isdigit() else 0) + int(match[3]))
            return
        name, _, value = text.partition("=")
        if value:
            self.variables[name.lower()] = value
        else:
            self.variables.pop(name.lower(), None)

    def _tools(self, text: str) -> None:
        given: list[str] | None = None
        for part in text.removesuffix(" 2>&1").removesuffix(" >nul").split(" | "):
            answer = self._tool([quoted or plain for quoted, plain in _WORD.findall(part)], given)
            given, self.code = answer.lines, answer.code

    def _tool(self, words: list[str], given: list[str] | None) -> Answer:
        folder, _, name = words[0].rpartition("\\")
        if not folder or not name.lower().endswith(".exe"):
            raise NotEmulated(f"the command {words[0]!r} of {self.path}")
        system = folder.lower() == _SYSTEM32
        if system and name.lower() == "find.exe":
            return find(words[1:], self.host, given)
        if given is not None:
            raise NotEmulated(f"a pipe into {name}")
        tool = find_tool(name if system else words[0], self.host)
        if tool is None:
            return Answer([], _NOT_FOUND)
        self.host.audit.write("native", self.host.name, command=name, arguments=words[1:], by=self.path)
        return tool(words[1:], self.host)


def _filled(body: str, name: str, values: Sequence[str]) -> str:
    """The body of a loop with its variables: %a, %b … and %~na, a name without folder and ending."""
    for number, value in enumerate(values):
        letter = chr(ord(name) + number)
        stem = value.rpartition("\\")[2].rpartition(".")[0] or value.rpartition("\\")[2]
        body = body.replace(f"%~n{letter}", stem).replace(f"%{letter}", value)
    return body
