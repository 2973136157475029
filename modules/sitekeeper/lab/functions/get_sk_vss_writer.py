"""The twin of Get-SkVssWriter.ps1."""

from __future__ import annotations

from collections.abc import Iterator

from sitekeeper.lab.engines.api import PsObject
from sitekeeper.lab.functions._twin import Call, custom, run_tool, twin

SHA256 = "723f094782c4b57fffb37a93207a124128c5cc60bc9271a416b4c15d6073ba05"


def run(call: Call) -> Iterator[PsObject]:
    """What vssadmin says of the VSS writers."""
    said, code = run_tool(call, "vssadmin.exe", "list", "writers")
    yield custom(ExitCode=code, Text="\n".join(said))


TWIN = twin("Get-SkVssWriter", SHA256, run)
