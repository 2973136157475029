"""Recorded answers of real Windows: the WSMan dialogues, and a reader of them that shares nothing with ours.

A dialogue is what one client and one machine said to each other, in its order, above log-in and encryption.
"""

from __future__ import annotations

import base64
import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

FOLDER = os.environ.get("SITEKEEPER_RECORDED")
needs_recordings = pytest.mark.skipif(
    FOLDER is None, reason="no recordings: SITEKEEPER_RECORDED names their folder, with those of real Windows"
)
_SPACES = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
    "rsp": "http://schemas.microsoft.com/wbem/wsman/1/windows/shell",
    "f": "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault",
}
POWERSHELL = "http://schemas.microsoft.com/powershell/"
# MS-PSRP 2.2.1
SESSION_CAPABILITY, PRIVATE_DATA, POOL_STATE = 0x00010002, 0x00021009, 0x00021005
OUTPUT, ERROR, STATE, WARNING = 0x00041004, 0x00041005, 0x00041006, 0x00041009


def folder() -> Path:
    """Where the recordings are; only for tests marked with ``needs_recordings``."""
    return Path(str(FOLDER))


@dataclass(frozen=True, slots=True)
class Asked:
    """What matters of a request for finding its answer."""

    operation: str
    """Create, Command, Receive ..."""
    resource: str
    message: str
    """Its MessageID."""
    shell: str
    """Of the selector; of a Create the id that the client wished for."""
    command: str


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request, and what Windows answered."""

    asked: Asked
    answer: str
    status: int
    request: str = ""


def asked(envelope: str | bytes) -> Asked:
    """The request in an envelope, be it a recorded one or ours."""
    root = ET.fromstring(envelope)  # noqa: S314 - a recording, or our own request
    body = root.find("s:Body", _SPACES)
    wished = root.findtext("s:Header/w:SelectorSet/w:Selector[@Name='ShellId']", "", _SPACES)
    command = ""
    for part in body.iter() if body is not None else ():
        wished = wished or part.get("ShellId", "")
        command = command or part.get("CommandId", "")
    return Asked(
        operation=root.findtext("s:Header/a:Action", "", _SPACES).rpartition("/")[2],
        resource=root.findtext("s:Header/w:ResourceURI", "", _SPACES),
        message=root.findtext("s:Header/a:MessageID", "", _SPACES),
        shell=wished,
        command=command,
    )


@cache
def dialogue(name: str) -> tuple[Exchange, ...]:
    """The exchanges of a recorded dialogue that have an answer."""
    text = (folder() / "psrp" / f"test-{name}.yml").read_text(encoding="utf-8")
    read = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe loaders
    return tuple(
        # WinRM sends every fault with status 500 (the recorder did not write it down each time)
        Exchange(asked(one["request"]), one["response"], 500 if "<s:Fault>" in one["response"] else 200, one["request"])
        for one in read["messages"]
        if one.get("response")
    )


def shell_of(exchange: Exchange) -> str:
    """The id of the shell that an exchange is about; of a Create the one that the server gave."""
    if exchange.asked.operation == "Create":
        found = re.search(r"""<w:Selector Name=["']ShellId["']>([^<]+)<""", exchange.answer)
        return found[1] if found else ""
    return exchange.asked.shell


def shells(name: str) -> list[list[Exchange]]:
    """The exchanges of each shell of a dialogue, in their order, from its Create on."""
    found: dict[str, list[Exchange]] = {}
    for exchange in dialogue(name):
        if exchange.asked.operation == "Create":
            found[shell_of(exchange)] = [exchange]
        elif exchange.asked.shell in found:
            found[exchange.asked.shell].append(exchange)
    return list(found.values())


def pools(name: str) -> list[list[Exchange]]:
    """Those shells that are PowerShell's."""
    return [one for one in shells(name) if one[0].asked.resource.startswith(POWERSHELL)]


def opened(create: Exchange, rest: list[Exchange]) -> list[Exchange]:
    """Some exchanges as those of a runspace pool, which a cmd shell is not: after its Create, another pool's opening.

    So our client, which opens nothing but pools, comes to hear what Windows answers of other shells.
    """
    create = replace(create, asked=replace(create.asked, resource=POWERSHELL + "Microsoft.PowerShell"))
    (pool,) = pools("psrp-open-runspace")
    opening = [one for one in pool if one.asked.operation == "Receive"]
    return [
        create,
        *(replace(one, asked=replace(one.asked, shell=shell_of(create))) for one in opening),
        *(replace(one, asked=replace(one.asked, shell=shell_of(create))) for one in rest),
    ]


def pipelines(exchanges: list[Exchange]) -> list[list[Exchange]]:
    """Each pipeline's exchanges: a Command, and the Receives for the id that the server answered (ids come again)."""
    found: list[list[Exchange]] = []
    latest: dict[str, list[Exchange]] = {}
    for exchange in exchanges:
        if exchange.asked.operation == "Command":
            named = re.search(r"CommandId>([^<]+)<", exchange.answer)
            latest[named[1] if named else ""] = mine = [exchange]
            found.append(mine)
        elif exchange.asked.command in latest:
            latest[exchange.asked.command].append(exchange)
    return found


def stream(answer: str) -> bytes:
    """What a ReceiveResponse carries."""
    root = ET.fromstring(answer)  # noqa: S314 - a recording
    return b"".join(base64.b64decode(one.text or "") for one in root.iter(f"{{{_SPACES['rsp']}}}Stream"))


def begun(answer: str) -> int:
    """How many PSRP messages begin in a ReceiveResponse."""
    data, number = stream(answer), 0
    while data:
        _, _, flags, length = struct.unpack(">QQBI", data[:21])
        number += flags & 1
        data = data[21 + length :]
    return number


def messages(exchanges: list[Exchange]) -> Iterator[tuple[int, str]]:
    """The PSRP messages of all Receives among some exchanges: type and CLIXML (MS-PSRP 2.2.1, 2.2.4)."""
    held: dict[int, bytes] = {}
    for exchange in exchanges:
        if exchange.asked.operation != "Receive":
            continue
        data = stream(exchange.answer)
        while data:
            number, _, flags, length = struct.unpack(">QQBI", data[:21])
            held[number] = held.get(number, b"") + data[21 : 21 + length]
            data = data[21 + length :]
            if flags & 2:
                whole = held.pop(number)
                yield int.from_bytes(whole[4:8], "little"), whole[40:].decode("utf-8-sig")
