"""pypsrp's own live tests against the lab: what fails is what this list says, each with its reason, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .counting import Row, count
from .foreign_lab import PWSH, ROOT, one_host, running
from .run_pypsrp_suite import outcomes, unfit

CREDSSP = "its fixture logs in by CredSSP, too, which the lab does not have"
JEA = "wants an endpoint JEARole on the host"
SCRIPT = "runs script text, which needs a real PowerShell"
KEYS = "exchanges keys for a SecureString, which the Python engine never gets, and runs script text"
POWERSHELL = "starts powershell.exe from a command line"
DIR = "reads what dir prints"
TEXT = "compares a text of Windows PowerShell 5.1 with what PowerShell 7 says"
SERVICE = "compares how Windows PowerShell 5.1 shows a service; PowerShell 7 has no view for what stands for one here"
CMD = "runs cmd.exe, which is not there"
DRIVE = "names a file of drive C:, which a PowerShell on Linux sees where the lab keeps it"

FAIL: dict[str, dict[str, str]] = {
    "python": {
        "test_client::test_client_copy_file": POWERSHELL,
        "test_client::test_client_copy_file_empty": POWERSHELL,
        "test_client::test_client_execute_cmd": DIR,
        "test_client::test_client_execute_ps": SCRIPT,
        "test_client::test_client_execute_ps_environment": SCRIPT,
        "test_client::test_client_execute_ps_failure": SCRIPT,
        "test_host::test_psrp_pshost_methods": SCRIPT,
        "test_host::test_psrp_pshost_raw_ui_mocked_methods": SCRIPT,
        "test_host::test_psrp_pshost_ui_mocked_methods": KEYS,
        "test_integration::test_psrp": KEYS,
        "test_integration::test_psrp_jea": JEA,
        "test_integration::test_winrs": CREDSSP,
        "test_powershell::test_psrp_application_args": SCRIPT,
        "test_powershell::test_psrp_clear_command": SCRIPT,
        "test_powershell::test_psrp_error_failed": SCRIPT,
        "test_powershell::test_psrp_multiple_commands": KEYS,
        "test_powershell::test_psrp_multiple_invocations": SCRIPT,
        "test_powershell::test_psrp_nested_command": SCRIPT,
        "test_powershell::test_psrp_no_profile": SCRIPT,
        "test_powershell::test_psrp_with_history": SCRIPT,
        "test_powershell::test_psrp_with_input": SCRIPT,
        "test_shell::test_winrs_extra_opts": POWERSHELL,
        "test_shell::test_winrs_send": POWERSHELL,
        "test_shell::test_winrs_unicode": POWERSHELL,
    },
    "pwsh": {
        "test_client::test_client_copy_file": POWERSHELL,
        "test_client::test_client_copy_file_empty": POWERSHELL,
        "test_client::test_client_execute_cmd": DIR,
        "test_client::test_client_execute_ps": SERVICE,
        "test_client::test_client_execute_ps_environment": CMD,
        "test_client::test_client_execute_ps_failure": TEXT,
        "test_client::test_client_fetch_file_fail_dir": DRIVE,
        "test_client::test_client_fetch_file_fail_missing": DRIVE,
        "test_host::test_psrp_pshost_methods": "wants the culture en-US; PowerShell runs with the invariant one here",
        "test_integration::test_psrp": "reads a BSTR by PtrToStringAuto, which on Linux takes its UTF-16 for UTF-8",
        "test_integration::test_psrp_jea": JEA,
        "test_integration::test_winrs": CREDSSP,
        "test_powershell::test_psrp_multiple_commands": CMD,
        "test_powershell::test_psrp_no_profile": "wants the profile folder of Windows' own account",
        "test_shell::test_winrs_extra_opts": POWERSHELL,
        "test_shell::test_winrs_send": POWERSHELL,
        "test_shell::test_winrs_unicode": POWERSHELL,
    },
}
"""By engine: the tests that do not pass, and why not."""
HOLLOW = {"python": {"test_powershell::test_psrp_with_no_history"}, "pwsh": set[str]()}
"""They pass, but only because nothing at all came back; they are not counted."""

BY_THE_CLOCK = {
    "python": set[str](),
    "pwsh": {"test_powershell::test_psrp_nested_command"},  # gives a pipeline 50 ms to begin
}
"""They pass where the machine is idle; they are not counted, either way."""


@pytest.mark.sweep
@pytest.mark.timeout(660)
@pytest.mark.parametrize("engine", FAIL)
def test_their_live_tests_fail_where_the_list_says_so_and_nowhere_else(engine: str, tmp_path: Path) -> None:
    source = os.environ.get("SITEKEEPER_PYPSRP_SOURCE")
    if not source:
        pytest.skip("no source of pypsrp: SITEKEEPER_PYPSRP_SOURCE is not set to a checkout")
    if engine == "pwsh" and PWSH is None:
        pytest.skip("no PowerShell: set SITEKEEPER_PWSH or put pwsh on the PATH")
    if why := unfit(Path(source)):
        pytest.skip(f"no suite of pypsrp: {why}")
    with running(tmp_path / "lab", engine, one_host("2016")) as lab:
        found = outcomes(Path(source), lab, tmp_path)
    failed = {name: said for name, said in found.items() if said and name not in BY_THE_CLOCK[engine]}
    assert set(failed) == set(FAIL[engine]), failed
    passed = set(found) - set(failed) - HOLLOW[engine] - BY_THE_CLOCK[engine]
    counted = f"{len(passed)} of {len(found)}"
    assert counted in (ROOT / "docs" / "fidelity.md").read_text()
    count(Row.PYPSRP, len(passed), f"{engine}: {counted}")
