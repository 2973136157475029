"""Native tools, WMI and the guard's script: what our functions and modules use of them, against ``known_windows.yml``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from .checking_2 import known, wmi_properties
from .powershell import Command, Script
from .sent import Sent

_QUERY = re.compile(r"SELECT ([\w,*]+) FROM (\w+)(?: WHERE (.*))?")
_COMPARED = re.compile(r"(\w+)\s*(?:=|>=|<=|<>)")


def tool_complaints(scripts: Iterable[Script]) -> list[str]:
    """Command lines of native tools with a verb or switch that is not in the list."""
    found = []
    for script in scripts:
        for command in script.commands:
            if command.name.startswith("$") or command.name.endswith(".exe"):
                name = "vshadow.exe" if command.name.startswith("$") else command.name
                words = list(_words(command, script))
                found += [f"{script.name} line {command.line}: {wrong}" for wrong in tool_line(name, words)]
    return found


def _words(command: Command, script: Script) -> Iterator[str]:
    """The words of a command line as far as they are written out; an array of arguments is written elsewhere in the script."""
    for element in command.elements:
        if element.kind in {"text", "Int32"}:
            yield element.text
        elif found := re.match(r"\('([-/]\w+=)'", element.text):
            yield found[1]
        elif element.text == "$arguments":
            yield from (fact.text for fact in script.of("text") if re.match(r"-[a-z]", fact.text))


def tool_line(name: str, words: list[str]) -> list[str]:
    """What is wrong with a command line."""
    tool = known("known_windows")["tools"].get(name)
    if tool is None:
        return [f"{name} is not in the list"]
    found = []
    switches = [switch.lower() for switch in tool.get("switches", ())]
    verbs = [verb.split() for verb in tool.get("verbs", ())]
    if verbs and not any(words[: len(verb)] == verb for verb in verbs):
        found.append(f"{name} {' '.join(words[:2])} is not in the list")
    for word in words:
        low = word.lower()
        known_switch = any(low.startswith(one) if one[-1] in "=:" else low == one for one in switches)
        if re.match(r"[-/][a-zA-Z]", word) and not known_switch:
            found.append(f"{name} {word} is not in the list")
    return found


def wmi_complaints(sent: Iterable[Sent], texts: Iterable[tuple[str, str]] = ()) -> list[str]:
    """Classes, properties and methods that are not in the list. ``texts``: parts of queries that are put together elsewhere."""
    classes = known("known_windows")["wmi"]
    found = []
    for one in sent:
        given = {str(name): value for name, value in one.given}
        for name in wmi_classes(one):
            if name not in classes:
                found.append(f"{one.where}: WMI class {name} is not in the list")
                continue
            asked = (
                set(given["Property"].text.split())
                if "Property" in given and given["Property"].kind == "texts"
                else set()
            )
            query = _QUERY.search(given["Query"].text) if "Query" in given else None
            if query:
                asked |= set(query[1].split(",")) | set(_COMPARED.findall(query[3] or ""))
            found += [
                f"{one.where}: {name}.{word} is not in the list" for word in asked - set(classes[name]["properties"])
            ]
            method = given.get("Name")
            if (
                one.command == "Invoke-WmiMethod"
                and method
                and method.kind == "text"
                and method.text not in classes[name]["methods"]
            ):
                found.append(f"{one.where}: {name}.{method.text}() is not in the list")
    for where, text in texts:
        found += [
            f"{where}: no class has {word}" for word in _COMPARED.findall(text) if word.lower() not in wmi_properties()
        ]
    return found


def wmi_classes(one: Sent) -> Iterator[str]:
    """The WMI classes that a command asks, as far as they are written out."""
    for name, value in one.given:
        if name == "Class" and value.kind == "text":
            yield value.text
        if name == "Query" and (found := _QUERY.search(value.text)):
            yield found[2]
        if name == "Path" and "Wmi" in one.command and (found := re.search(r"(\w+)\.\w+='", value.text)):
            yield found[1]


def cmd_complaints(lines: Iterable[str]) -> list[str]:
    """What is wrong with the lines of a batch file: built-in commands, and the tools in it."""
    found = []
    for line in lines:
        for command in _commands(line):
            found += [f"{line}: {wrong}" for wrong in _command(command)]
    return found


def _commands(line: str) -> Iterator[list[str]]:
    """The commands of a line, the conditions and loops before them as commands of their own; redirections left out."""
    if line.startswith((":", "rem ")):
        return
    line = re.sub(r"\d?>>?(&\d|\S+)", " ", line.lstrip("@"))
    for part in re.split(r" \| ", line):
        words = re.findall(r'"[^"]*"\S*|\S+', part)
        while words:
            if words[0] == "if":
                size = next(n for n in range(1, len(words)) if words[n] != "not")
                size += 1 if "==" in words[size] else 3 if words[size + 1] in {"lss", "gtr"} else 2
                yield words[:size]
            elif words[0] == "for":
                size = words.index("do") + 1
                yield [word for word in words[:size] if word.startswith("/") or word == "for"]
            else:
                yield words
                break
            words = words[size:]


def _command(words: list[str]) -> Iterator[str]:
    builtins = known("known_windows")["cmd"]
    name = re.split(r"[\\/]", words[0])[-1].lower()
    if name.endswith(".exe"):
        yield from tool_line(name, words[1:])
    elif name not in builtins:
        yield f"{name} is no command in the list"
    elif name == "if":
        kinds = {
            word for word in words[1:] if word in {"not", "exist", "defined", "errorlevel", "lss", "gtr", "equ", "neq"}
        }
        kinds |= {"=="} if any("==" in word for word in words) else set()
        yield from (f"if {kind} is not in the list" for kind in kinds - set(builtins["if"]))
    elif name != "echo":
        yield from (
            f"{name} {word} is not in the list"
            for word in words[1:]
            if re.match(r"/[a-zA-Z]", word) and word not in builtins[name]
        )
