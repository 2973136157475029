"""A real PowerShell as the lab's engine: one ``pwsh -s`` per shell, with Windows' commands asked of the lab's host.

What is real: PSRP itself, parameter binding, pipelines, errors, language modes, session configurations. What is not:
everything that those commands do, which is the lab's; the version, which is PowerShell 7's; time, which the lab
cannot advance in here.
"""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Mapping
from pathlib import Path

from sitekeeper_lab.engines.api import Pipeline
from sitekeeper_lab.engines.cmdlets import BASIC
from sitekeeper_lab.engines.items import ITEMS
from sitekeeper_lab.engines.pwsh.cmdlets import compiled
from sitekeeper_lab.engines.pwsh.process import PwshProcess
from sitekeeper_lab.engines.pwsh.roles import composed
from sitekeeper_lab.engines.pwsh.stand_in import StandInServer
from sitekeeper_lab.engines.python import PythonEngine
from sitekeeper_lab.engines.wmi_cmdlets import WMI

PLAIN = "Microsoft.PowerShell"
_WINDOWS = (*BASIC, *WMI, *ITEMS)
MODULE = Path(__file__).with_name("LabWindows.psm1")
_PLAIN_CONFIGURATION = """\
@{{
    SchemaVersion = '2.0.0.0'
    GUID = '5f0e7d1c-6a8e-4f53-9f7b-0c6b8d7f4a11'
    SessionType = 'Default'
    ModulesToImport = '{module}'
}}
"""


class PwshEngine:
    """The PowerShell of one host.

    Args:
        python: the host's other engine: its cmdlets, its versions, and who may open a session.
        pwsh: the program.
        folder: where compiled cmdlets and session configurations are kept; hosts may share it.

    """

    def __init__(self, python: PythonEngine, pwsh: Path, folder: Path) -> None:
        self.host = python.host
        self._python = python
        self._pwsh = pwsh
        self._folder = folder
        self._numbers = itertools.count(1)
        self._server: StandInServer | None = None
        self._configurations: dict[str, Path] = {}
        self._cmdlets: Path | None = None

    def start(self) -> None:
        """Compile the cmdlets if that was not done yet, and answer what PowerShells ask."""
        # Operations Manager's are functions of LabWindows.psm1: what they answer has methods.
        cmdlets = [one for one in self._python.cmdlets.values() if one in _WINDOWS]
        self._cmdlets = compiled(self._pwsh, cmdlets, self._folder)
        self._server = StandInServer(self.host, self._python.cmdlets)
        plain = self._folder / "plain.pssc"
        plain.write_text(_PLAIN_CONFIGURATION.format(module=MODULE), "utf-8")
        self._configurations[PLAIN.lower()] = plain

    def stop(self) -> None:
        """Stop answering. The shells must be closed."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def register(self, name: str, installed: Path) -> None:
        """An endpoint of this name, from the folder that an administrator would install it from; see ``roles``."""
        out = self._folder / f"{self.host.name}-{name}.pssc"
        self._configurations[name.lower()] = composed(self._pwsh, installed, MODULE, out)

    @property
    def versions(self) -> Mapping[str, str]:
        """Of the host, for what WinRM itself says; PowerShell says its own."""
        return self._python.versions

    def open(self, user: str, configuration: str) -> PwshProcess:
        """Start a PowerShell.

        Raises:
            PermissionError: the user is no administrator. An endpoint of its own decides for itself, as on Windows.

        """
        administrators = self._python.administrators
        if configuration.lower() == PLAIN.lower() and administrators is not None and user.lower() not in administrators:
            raise PermissionError(5, "Access is denied.", user)
        number = next(self._numbers)
        host = self.host

        def note(pipeline: Pipeline) -> None:
            for command in itertools.chain.from_iterable(pipeline.statements):
                text = command.text
                if command.is_script:
                    text = f"script sha256 {hashlib.sha256(text.encode()).hexdigest()}"
                arguments = [[name, value] for name, value in command.parameters]
                host.audit.write("call", host.name, command=text, arguments=arguments, user=user, runspace=number)

        file = self._configurations[configuration.lower()]
        arguments = [str(self._pwsh), "-s", "-NoLogo", "-NoProfile", "-ConfigurationFile", str(file)]
        return PwshProcess(arguments, self.environment(), self.folder, note)

    @property
    def _started(self) -> StandInServer:
        if self._server is None:
            raise RuntimeError(f"the engine of {self.host.name} is not started")
        return self._server

    @property
    def folder(self) -> Path:
        """Where a PowerShell that loads ``MODULE`` must run."""
        return self._started.shares

    def environment(self) -> dict[str, str]:
        """The environment of a PowerShell that loads ``MODULE``."""
        home = self._folder / "home"
        home.mkdir(exist_ok=True)
        return {
            **{name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR", "TZ") if name in os.environ},
            "HOME": str(home),
            "POWERSHELL_TELEMETRY_OPTOUT": "1",
            "POWERSHELL_UPDATECHECK": "Off",
            "SITEKEEPER_LAB_WINDOWS": str(self._started.path),
            "SITEKEEPER_LAB_CMDLETS": str(self._cmdlets),
            "SITEKEEPER_LAB_VOLUMES": str(self.host.folder / "volumes"),
        }
