"""An endpoint of a host, from the files that an administrator would install there: session configuration and role.

On Windows, PowerShell finds the role by the groups of who logs in. Linux has none of that: here the session configuration
holds what the role holds, put together by PowerShell itself from the two files.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

_COMPOSE = """
$ErrorActionPreference = 'Stop'
$session = Import-PowerShellDataFile -Path '{session}'
$role = Import-PowerShellDataFile -Path '{role}'
$given = @{{ Path = '{out}'; SessionType = $session.SessionType; LanguageMode = $session.LanguageMode }}
foreach ($key in 'VisibleCmdlets', 'VisibleFunctions') {{ if ($role[$key]) {{ $given[$key] = $role[$key] }} }}
New-PSSessionConfigurationFile @given -ModulesToImport '{windows}', '{module}'
"""


def composed(pwsh: Path, installed: Path, windows: Path, out: Path) -> Path:
    """Write the session configuration of an endpoint.

    Args:
        pwsh: PowerShell.
        installed: a folder with one ``.pssc`` and the module that has the role.
        windows: the module that stands for Windows.
        out: where to write.

    Raises:
        FileNotFoundError: the folder is not such a one.
        subprocess.CalledProcessError: PowerShell refuses the files; its words are in the output.

    """
    found = [sorted(installed.glob(pattern)) for pattern in ("*.pssc", "*/RoleCapabilities/*.psrc", "*/*.psd1")]
    if any(len(one) != 1 for one in found):
        raise FileNotFoundError(f"{installed} has not one session configuration, one role and one module")
    (session,), (role,), (module,) = found
    script = _COMPOSE.format(session=session, role=role, windows=windows, module=module, out=out)
    subprocess.run(  # noqa: S603 - the program that the lab was given
        [str(pwsh), "-NoLogo", "-NoProfile", "-NonInteractive", "-Command", script],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return out
