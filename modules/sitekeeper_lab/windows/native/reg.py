"""reg.exe export and query.

An export is UTF-16LE with BOM and CRLF, values in the form that regedit writes (recorded). The text for a missing key
differs between 2003 and later (the lower-case form is believed); both answer 1.
"""

from __future__ import annotations

from collections.abc import Sequence

from sitekeeper_lab.host import Host
from sitekeeper_lab.windows.native.answer import Answer, NotEmulated
from sitekeeper_lab.windows.registry import HIVES, Key, Value

_WIDTH = 80


def reg(arguments: Sequence[str], host: Host) -> Answer:
    """Run one command."""
    verb, rest = (arguments[0].lower() if arguments else ""), list(arguments[1:])
    old = host.machine.os.level < (6, 0)
    overwrite = any(argument.lower() == "/y" for argument in rest)
    plain = [argument for argument in rest if not argument.startswith("/")]
    switches = [a.lower() for a in rest if a.startswith("/") and a.lower() not in {"/y", "/s"}]
    if switches or (overwrite and old) or verb not in {"export", "query"}:
        raise NotEmulated(f"reg.exe {' '.join(arguments)}")
    if host.registry.key(plain[0]) is None:
        text = "Error:  The system was unable" if old else "ERROR: The system was unable"
        return Answer([], 1, [f"{text} to find the specified registry key or value."])
    if verb == "query":
        return Answer(_query(host, plain[0], deep="/s" in [a.lower() for a in rest]))
    if len(plain) != 2:
        raise NotEmulated(f"reg.exe {' '.join(arguments)}")
    if host.exists(plain[1]) and not overwrite and not old:
        raise NotEmulated("reg.exe export over an existing file: the real one asks")
    try:
        host.write(plain[1], export_text(host, plain[0]).encode("utf-16"))
    except OSError as error:
        return Answer([], 1, [f"ERROR: {error.strerror}"])  # the system's own text (believed)
    return Answer(["The operation completed successfully."])


def export_text(host: Host, path: str) -> str:
    """A key with everything below it as a .reg file."""
    lines = ["Windows Registry Editor Version 5.00", ""]
    for key in host.registry.tree(path):
        lines.append(f"[{_long(key)}]")
        lines += [_line(value) for value in key.values.values()]
        lines.append("")
    return "\r\n".join([*lines, ""])


def _query(host: Host, path: str, *, deep: bool) -> list[str]:
    lines = [""]
    for key in host.registry.tree(path):
        if not deep and key.path.lower() != path.lower():
            continue
        lines.append(_long(key))
        lines += [
            f"    {value.name or '(Default)'}    {value.type}    {_shown(value)}" for value in key.values.values()
        ]
        lines.append("")
    return lines


def _long(key: Key) -> str:
    hive, dash, rest = key.path.partition("\\")
    return HIVES[hive] + dash + rest


def _shown(value: Value) -> str:
    if isinstance(value.data, bytes):
        return value.data.hex().upper()
    if isinstance(value.data, list):
        return "\\0".join(value.data)
    return f"{value.data:#x}" if isinstance(value.data, int) else value.data


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _line(value: Value) -> str:
    name = _quoted(value.name) if value.name else "@"
    match value.type:
        case "REG_SZ":
            return f"{name}={_quoted(str(value.data))}"
        case "REG_DWORD":
            return f"{name}=dword:{int(str(value.data)) & 0xFFFFFFFF:08x}"
        case "REG_QWORD":
            return _hex(name, "hex(b)", int(str(value.data)).to_bytes(8, "little"))
        case "REG_EXPAND_SZ":
            return _hex(name, "hex(2)", (str(value.data) + "\0").encode("utf-16-le"))
        case "REG_MULTI_SZ":
            parts = value.data if isinstance(value.data, list) else []
            return _hex(name, "hex(7)", "".join(f"{part}\0" for part in [*parts, ""]).encode("utf-16-le"))
        case _:
            return _hex(name, "hex", value.data if isinstance(value.data, bytes) else b"")


def _hex(name: str, kind: str, data: bytes) -> str:
    # Continued with a backslash when a line would grow over 80 characters, two spaces in front of the next.
    line, lines = f"{name}={kind}:", []
    for number, byte in enumerate(data):
        part = f"{byte:02x}" + ("," if number + 1 < len(data) else "")
        if len(line) + len(part) >= _WIDTH:
            lines.append(line + "\\")
            line = "  "
        line += part
    return "\r\n".join([*lines, line])
