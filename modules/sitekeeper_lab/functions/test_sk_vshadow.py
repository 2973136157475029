"""The twin of Test-SkVshadow.ps1."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sitekeeper_lab.engines.api import PsObject
from sitekeeper_lab.functions.protect_sk_folder import OUR_OWNER
from sitekeeper_lab.functions.shared.twin import Call, custom, run_tool, text, twin

SHA256 = "77ca374f3c3c83a666f97bdea7c927cf08c635c6d36335c0a1a2592cd16e1f78"

_CLOSED = re.compile(r"^D:P[A-Z]*(\(A;[A-Z]*;FA;;;(SY|BA)\))+$", re.IGNORECASE)


def run(call: Call) -> Iterator[PsObject]:
    """Whether there is a vshadow.exe in the work root, and whether it works."""
    root = call.one("Get-SkFolder", Drive=text(call, "Drive"))
    tool = f"{root}\\vshadow.exe"
    found = call.host.exists(tool)
    closed = found and bool(_CLOSED.search(call.host.acl(root)) and OUR_OWNER.match(call.host.owner(root)))
    code: int | None = -1
    if closed and call.bound.switch("Try"):
        _, code = run_tool(call, tool, "-ws")
    yield custom(Found=found, Closed=closed, ExitCode=code)


TWIN = twin("Test-SkVshadow", SHA256, run, Drive="string", Try="bool")
