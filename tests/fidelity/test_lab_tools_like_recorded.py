"""What the lab's native tools print, and its logs and registry exports, beside real ones, line by line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from sitekeeper_lab.configmgr.tracelog import trace_line
from sitekeeper_lab.host import Host
from sitekeeper_lab.windows.native.reg import export_text
from sitekeeper_lab.windows.registry import Data
from sitekeeper_lab.windows.wmi import Wmi

from . import recorded
from .compared import Compared
from .counting import Row, count
from .known_differences import TOOLS
from .lab_hosts import lab_host, tool
from .likeness import Fields, form, numbers
from .recorded import needs_recordings
from .recorded_files import text_of

pytestmark = needs_recordings
OURS = {"PR2.lab.example": "MACHINE", "PR2": "NAME", "C:\\mnt\\": "PLACE", "C:\\mnt": "PLACE"}


def lines_of(lines: Iterable[str], names: dict[str, str]) -> Fields:
    """Forms of lines, and their order. Space is one space: a remoting shell had turned the recorded tabs into spaces."""
    found: list[str] = []
    for line in lines:
        text = " ".join(line.split())
        for name, word in names.items():
            text = text.replace(name, word)
        text = re.sub(r"\d+[/-]\d+[/-]\d{4} \d+:\d\d:\d\d( [AP]M)?", "WHEN", text)
        code = re.match(r"WIN32_EXIT_CODE", text)
        text = form(text) if code else numbers(re.sub(r"0x[0-9a-f]+", "0x9", form(text)))
        if text and text not in found:
            found.append(text)
    return dict.fromkeys(found, "there")


def script(host: Host, *lines: str) -> list[str]:
    """What diskshadow prints of a script."""
    host.make_folder("C:\\mnt")
    host.write("C:\\x.dsh", "".join(f"{line}\r\n" for line in lines).encode("ascii"))
    return tool(host, "diskshadow.exe", "/s", "C:\\x.dsh").lines


def text(name: str) -> list[str]:
    return text_of(recorded.folder() / "windows" / "text" / f"{name}.txt").splitlines()


def test_tools(tmp_path: Path) -> None:
    compared = Compared()
    with lab_host(tmp_path, "2016") as host:
        _vssadmin(host, compared)
        _diskshadow(host, compared)
        _sc(host, compared)
    assert compared.unknown(TOOLS) == {}
    assert compared.unused(TOOLS) == []
    count(Row.COMPARED, compared.fields, f"{compared.fields} lines of tools")


def _vssadmin(host: Host, compared: Compared) -> None:
    Wmi(host).invoke("Win32_ShadowCopy", "Create", ["ClientAccessible", "C:\\"])
    for name, machine, dates in (
        ("vssadmin-list-shadows-en-us", "Creds-Harvesting-AD.thm.red", ""),
        ("vssadmin-list-shadows-ddmmyyyy", "winwork.misthios.ncg.in", "%d-%m-%Y %H:%M:%S"),
    ):
        host.machine.os.date_format = dates
        said = tool(host, "vssadmin.exe", "list", "shadows").lines
        compared.add("vssadmin list shadows", lines_of(text(name), {machine: "MACHINE"}), lines_of(said, OURS))
    host.machine.os.date_format = ""
    first, second, *_ = host.machine.writers
    first.state, first.error = 7, "Retryable error"
    second.state, second.error = 11, "Non-retryable error"
    real = [*text("vssadmin-list-writers-exchange-failed"), *text("vssadmin-list-writers-ntds-failed-11")]
    said = tool(host, "vssadmin.exe", "list", "writers").lines[3:]  # the recorded ones have no banner
    both = [[re.sub("'.+'", "'NAME'", line) for line in lines] for lines in (real, said)]
    compared.add("vssadmin list writers", *(lines_of(lines, {}) for lines in both))
    first.state = second.state = 1
    first.error = second.error = "No error"


def _diskshadow(host: Host, compared: Compared) -> None:
    plain = script(
        host, "set context persistent nowriters", "add volume c: alias elfojhon", "create", "expose %elfojhon% C:\\mnt"
    )
    names = {"DC01.BLACKFIELD.local": "MACHINE", "DC01": "NAME", "z:\\": "PLACE", "z:": "PLACE"}
    real = lines_of(text("diskshadow-script-create-expose"), names)
    compared.add("diskshadow", real, lines_of(plain, OURS))
    host.files.resolve("C:\\mnt").unlink()
    host.machine.services["SQLWriter"].state = "Stopped"  # the recorded machine has no SQL Server
    whole = script(
        host,
        "set verbose on",
        "set metadata C:\\Windows\\Temp\\test.cab",
        "set context persistent",
        "add volume C: alias cdrive",
        "create",
        "expose %cdrive% C:\\mnt",
    )
    host.machine.services["SQLWriter"].state = "Running"
    names = {"BabyDC.baby.vl": "MACHINE", "BABYDC": "NAME", "E:\\": "PLACE", "E:": "PLACE"}
    real = lines_of(text("diskshadow-script-with-writers-verbose"), names)
    compared.add("diskshadow with writers", real, lines_of(whole, OURS))
    denied = script(host, "set metadata C:\\nowhere\\metadata.cab")
    assert denied[-1] in text("diskshadow-interactive-metadata-errors")


def _sc(host: Host, compared: Compared) -> None:
    stopped = tool(host, "sc.exe", "query", "VSS").lines
    names = {"SERVICE_NAME: Test": "SERVICE_NAME: X"}
    compared.add(
        "sc query",
        lines_of(text("sc-query-stopped-never-started"), names),
        lines_of(stopped, {"SERVICE_NAME: VSS": "SERVICE_NAME: X"}),
    )
    real = text("sc-stop-start-dns")
    second = real.index("SERVICE_NAME: dns", 1)
    started = tool(host, "sc.exe", "start", "swprv").lines
    compared.add(
        "sc start",
        lines_of(real[second:], {"SERVICE_NAME: dns": "SERVICE_NAME: X"}),
        lines_of(started, {"SERVICE_NAME: swprv": "SERVICE_NAME: X"}),
    )


def _data(written: str) -> tuple[str, Data]:
    """A value of a registry export, by a plain look at it."""
    if written.startswith('"'):
        return "REG_SZ", re.sub(r"\\(.)", r"\1", written[1:-1])
    if written.startswith("dword:"):
        return "REG_DWORD", int(written[6:], 16)
    kind, _, listed = written.partition(":")
    raw = bytes(int(byte, 16) for byte in re.sub(r"\\\n +", "", listed).split(",") if byte)
    if kind == "hex(7)":
        return "REG_MULTI_SZ", raw.decode("utf-16-le").rstrip("\0").split("\0")
    assert kind == "hex"
    return "REG_BINARY", raw


def test_registry_exports(tmp_path: Path) -> None:
    """The values of a real export, put into the lab's registry and exported from there: the same text again."""
    fields = 0
    with lab_host(tmp_path, "2016") as host:
        for name in ("putty-sessions-utf16le", "command-processor-utf16le"):
            real = text_of(recorded.folder() / "windows" / "reg" / f"{name}.reg").replace("\r\n", "\n")
            root = key = ""
            for line in re.findall(r'^(?:\[.+\]|".*?"=(?:.*\\\n)*.*)$', real, re.MULTILINE):
                if line.startswith("["):
                    key = line[1:-1]
                    root = root or key
                    host.registry.make(key)
                else:
                    named, _, written = line.partition('"=')
                    host.registry.set(key, re.sub(r"\\(.)", r"\1", named[1:]), *_data(written))
                fields += 1
            lab = export_text(host, root).replace("\r\n", "\n")
            assert lab == real
    count(Row.COMPARED, fields, f"{fields} keys and values of exports")


def test_trace_lines() -> None:
    """Each line of real logs in which a bias is written, written again by the lab; the file's name is the program's own."""
    pattern = re.compile(
        r'<!\[LOG\[(?P<text>(?:(?!<!\[LOG\[).)*?)\]LOG\]!><time="(?P<time>[\d:]+\.\d{3})(?P<bias>[+-]\d+)" date="(?P<date>[\d-]+)" '
        r'component="(?P<component>[^"]*)" context="" type="(?P<type>\d)" thread="(?P<thread>\d+)" file="(?P<file>[^"]*)">',
        re.DOTALL,
    )
    lines = 0
    for name in ("sccm-various", "smsts-first-40-lines"):
        for found in pattern.finditer(text_of(recorded.folder() / "windows" / "logs" / f"{name}.log")):
            zone = timezone(timedelta(minutes=-int(found["bias"])))
            local = datetime.strptime(f"{found['date']} {found['time']}", "%m-%d-%Y %H:%M:%S.%f").replace(tzinfo=zone)
            written = trace_line(found["text"], found["component"], local, int(found["thread"]), int(found["type"]))
            assert re.sub('file="[^"]*"', f'file="{found["file"]}"', written) == found[0] + "\r\n"
            assert local.astimezone(UTC) == local.replace(tzinfo=UTC) + timedelta(minutes=int(found["bias"]))
            lines += 1
    assert lines > 40
    count(Row.COMPARED, lines * 7, f"{lines} trace lines")
