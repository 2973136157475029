"""The lab's cmdlets as compiled cmdlets of a real PowerShell, which binds their parameters itself."""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from sitekeeper_lab.engines.binding import Parameter
from sitekeeper_lab.engines.call import Cmdlet
from sitekeeper_lab.engines.items import ITEMS

_TYPES = {
    "string": "string",
    "string[]": "string[]",
    "int": "int",
    "long": "long",
    "bool": "bool",
    "switch": "SwitchParameter",
    "object": "object",
    "object[]": "object[]",
    "unsupported": "object",
}
OWN = frozenset({"write-output", "write-error", "out-null", "select-object"})
"""A real PowerShell has these everywhere."""


def compiled(pwsh: Path, cmdlets: Iterable[Cmdlet], folder: Path) -> Path:
    """The assembly with these cmdlets, compiled by PowerShell itself when it is not in the folder yet (some seconds).

    Raises:
        subprocess.CalledProcessError: it does not compile; PowerShell's words are in its output.

    """
    source = files(__package__).joinpath("windows.cs").read_text("utf-8")
    source += "\n".join(_class(one) for one in sorted(cmdlets, key=lambda one: one.name) if one.name.lower() not in OWN)
    folder.mkdir(parents=True, exist_ok=True)
    assembly = folder / f"windows-{hashlib.sha256(source.encode()).hexdigest()[:16]}.dll"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not assembly.is_file():
            (folder / "windows.cs").write_text(source, "utf-8")
            part = folder / "part.dll"
            part.unlink(missing_ok=True)
            command = f"$ErrorActionPreference = 'Stop'; Add-Type -Path '{folder}/windows.cs' -OutputAssembly '{part}'"
            subprocess.run(  # noqa: S603 - the program that the lab was given
                [str(pwsh), "-NoLogo", "-NoProfile", "-NonInteractive", "-Command", command],
                check=True,
                capture_output=True,
                text=True,
                timeout=120,
            )
            part.replace(assembly)
    return assembly


def _class(cmdlet: Cmdlet) -> str:
    verb, noun = cmdlet.name.split("-")
    if cmdlet in ITEMS:
        noun = f"Lab{noun}"  # PowerShell's own does everything but the registry: LabWindows.psm1 chooses
    space, _, name = cmdlet.type_name.rpartition(".")
    members = "".join(_property(word, parameter) for word, parameter in cmdlet.parameters.items())
    return (
        f'namespace {space} {{ [Cmdlet("{verb}", "{noun}")] public class {name} : Sitekeeper.Lab.WindowsCmdlet {{\n'
        f'    protected override string Asked {{ get {{ return "{cmdlet.name}"; }} }}\n{members}}} }}'
    )


def _property(name: str, parameter: Parameter) -> str:
    facts = ["Mandatory = true"] if parameter.mandatory else []
    facts += [f"Position = {parameter.position}"] if parameter.position is not None else []
    names = ", ".join(f'"{alias}"' for alias in parameter.aliases)
    alias = f"[Alias({names})] " if names else ""
    return f"    [Parameter({', '.join(facts)})] {alias}public {_TYPES[parameter.kind]} {name} {{ get; set; }}\n"
