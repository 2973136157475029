"""The files of a role as PowerShell reads them: module, role capability, session configuration, install script.

What each key means: about_Session_Configuration_Files, about_Role_Capability_Files (role-capabilities and
session-configurations in Microsoft's JEA documentation). A pattern is anchored by us: PowerShell 5.1 does not say that it does.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from importlib.metadata import version

from sitekeeper.engine.module import Allowed
from sitekeeper.jea.role import ANY, ROLE, Role, inside, parameters_of
from sitekeeper.transport.psrp import functions

ENDPOINT = "Sitekeeper"
TRANSCRIPTS = r"C:\ProgramData\sitekeeper\transcripts"
_SPACE = uuid.UUID("0a1c7c1e-52c5-4c1e-9a55-6a7f3b0d9f10")


def files_of(role: Role, group: str) -> dict[str, str]:
    """Path below the role's folder -> text."""
    name = role.name
    return {
        f"{name}/{name}.psd1": _manifest(role),
        f"{name}/{name}.psm1": _module(role),
        f"{name}/RoleCapabilities/{name}.psrc": _capability(role),
        f"{name}.pssc": _configuration(role, group),
        "install.ps1": _install(role),
    }


def _manifest(role: Role) -> str:
    return _table(
        {
            "RootModule": quote(f"{role.name}.psm1"),
            "ModuleVersion": quote(version("sitekeeper")),
            "GUID": _guid(f"module {role.name}"),
            "PowerShellVersion": "'5.0'",
            "FunctionsToExport": _list(quote(name) for name in (*role.functions, ROLE)),
            "CmdletsToExport": "@()",
            "VariablesToExport": "@()",
            "AliasesToExport": "@()",
        }
    )


def _module(role: Role) -> str:
    sources = functions.sources()
    own = (
        f"function {ROLE} {{\n    # Which role this endpoint has, and of which functions it was made.\n"
        "    [CmdletBinding()]\n    param()\n"
        f"    New-Object PSObject -Property @{{ Role = {quote(role.name)}; Functions = {quote(functions.fingerprint())} }}\n}}\n"
    )
    return "".join(sources[name] for name in inside(role.functions)) + own


def _capability(role: Role) -> str:
    visible = [_command(name, parameters) for name, parameters in role.cmdlets.items()]
    held = [
        _command(name, {**dict.fromkeys(parameters_of(name), ANY), **parameters}) if parameters else quote(name)
        for name, parameters in role.functions.items()
    ]
    return _table(
        {
            "GUID": _guid(f"role {role.name}"),
            "ModulesToImport": quote(role.name),
            "VisibleCmdlets": _list(visible),
            "VisibleFunctions": _list((*held, quote(ROLE))),
        }
    )


def _configuration(role: Role, group: str) -> str:
    return _table(
        {
            "SchemaVersion": "'2.0.0.0'",
            "GUID": _guid(f"session {role.name}"),
            "SessionType": "'RestrictedRemoteServer'",
            "LanguageMode": "'NoLanguage'",
            "ExecutionPolicy": "'RemoteSigned'",
            "RunAsVirtualAccount": "$true",
            "TranscriptDirectory": quote(TRANSCRIPTS),
            "RoleDefinitions": f"@{{ {quote(group)} = @{{ RoleCapabilities = {quote(role.name)} }} }}",
        }
    )


def _install(role: Role) -> str:
    return f"""\
# Installs the endpoint {ENDPOINT} for a {role.kind}. Run it as an administrator on the host, from the folder that it lies in.
# Registering restarts WinRM: every remote session of the host ends.
#Requires -RunAsAdministrator
#Requires -Version 5.0
$ErrorActionPreference = 'Stop'

function New-ClosedFolder([string]$Path) {{
    # For SYSTEM and Administrators only: who can write here runs what he wants as an administrator.
    [void](New-Item -ItemType Directory -Path $Path -Force)
    & icacls.exe $Path /inheritance:r /grant:r '*S-1-5-18:(OI)(CI)F' '*S-1-5-32-544:(OI)(CI)F' | Out-Null
    if ($LASTEXITCODE -ne 0) {{ throw ('icacls.exe ended with ' + $LASTEXITCODE) }}
}}

$here = Split-Path -Parent $MyInvocation.MyCommand.Path
$module = Join-Path $env:ProgramFiles 'WindowsPowerShell\\Modules\\{role.name}'
if (Test-Path -LiteralPath $module) {{ Remove-Item -LiteralPath $module -Recurse -Force }}
New-ClosedFolder $module
Copy-Item -Path (Join-Path $here '{role.name}\\*') -Destination $module -Recurse
New-ClosedFolder '{TRANSCRIPTS}'
$configuration = Join-Path $here '{role.name}.pssc'
if (-not (Test-PSSessionConfigurationFile -Path $configuration)) {{ throw 'the session configuration is not valid' }}
Register-PSSessionConfiguration -Name '{ENDPOINT}' -Path $configuration -Force
"""


def _command(name: str, parameters: Mapping[str, Allowed]) -> str:
    return f"@{{ Name = {quote(name)}; Parameters = {_list(_parameter(*one) for one in parameters.items())} }}"


def _parameter(name: str, allowed: Allowed) -> str:
    if allowed == ANY:
        return f"@{{ Name = {quote(name)} }}"
    if isinstance(allowed, str):
        pattern = rf"\A(?:{allowed})\z"
        return f"@{{ Name = {quote(name)}; ValidatePattern = {quote(pattern)} }}"
    return f"@{{ Name = {quote(name)}; ValidateSet = {', '.join(quote(one) for one in allowed)} }}"


def _list(items: Iterable[str]) -> str:
    return "@(\n" + ",\n".join(f"        {one}" for one in items) + "\n    )"


def _table(entries: Mapping[str, str]) -> str:
    width = max(map(len, entries))
    return "@{\n" + "".join(f"    {key:<{width}} = {value}\n" for key, value in entries.items()) + "}\n"


def quote(text: str) -> str:
    """A PowerShell string in single quotes; nothing in it is expanded."""
    return "'" + text.replace("'", "''") + "'"


def _guid(of: str) -> str:
    return quote(str(uuid.uuid5(_SPACE, of)))
