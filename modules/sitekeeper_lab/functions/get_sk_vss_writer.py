"""The twin of Get-SkVssWriter.ps1."""

from __future__ import annotations

from collections.abc import Iterator

from sitekeeper_lab.engines.api import PsObject
from sitekeeper_lab.functions.shared.twin import Call, custom, run_tool, twin

SHA256 = "ee17f7fa91d0202f629d1183344d6ac10e24c6f5df166cb4b531269ac07c7c0e"


def run(call: Call) -> Iterator[PsObject]:
    """What vssadmin says of the VSS writers."""
    said, code = run_tool(call, "vssadmin.exe", "list", "writers")
    yield custom(ExitCode=code, Text="\n".join(said))


TWIN = twin("Get-SkVssWriter", SHA256, run)
