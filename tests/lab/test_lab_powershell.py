from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sitekeeper_lab.engines.api import Command

Sessions = Callable[[str], Any]


def test_an_unknown_command_is_named(lab_session: Sessions) -> None:
    failed = lab_session("PR2")("Restart-Computer").failed
    assert (failed.error_id, failed.category, failed.target) == ("CommandNotFoundException", 13, "Restart-Computer")


@pytest.mark.parametrize(
    ("arguments", "error_id"),
    [
        ({"Nmae": "x"}, "NamedParameterNotFound,Microsoft.PowerShell.Commands.GetServiceCommand"),
        ({"Nam": "x"}, "EmulatorNotImplemented"),
        ({"Include": "x"}, "EmulatorNotImplemented"),
    ],
)
def test_parameters_are_checked(lab_session: Sessions, arguments: dict[str, Any], error_id: str) -> None:
    assert lab_session("PR2")("Get-Service", **arguments).failed.error_id == error_id


def test_what_a_windows_does_not_have_is_unknown_there(lab_session: Sessions) -> None:
    assert lab_session("CEN")("Get-CimInstance", ClassName="Win32_Volume").failed.error_id == "CommandNotFoundException"
    assert len(lab_session("PR2")("Get-CimInstance", ClassName="Win32_Volume").output) == 4


def test_a_failed_statement_does_not_stop_the_next_one(
    lab_session: Sessions, lab_command: Callable[..., Command]
) -> None:
    said = lab_session("PR2").run(
        lab_command("Get-SkFolder", Drive="bad"), lab_command("Nope"), lab_command("Write-Output", InputObject=["on"])
    )
    assert (said.output, said.ids, said.failed) == (["on"], ["SkInvalidDrive", "CommandNotFoundException"], None)


def test_error_action_stop_ends_the_pipeline_at_the_fence(
    lab_session: Sessions, lab_command: Callable[..., Command]
) -> None:
    session = lab_session("PR2")
    stop = lab_command("Invoke-WmiMethod", Path="Win32_Service.Name='Spooler'", Name="StopService")
    said = session.run(lab_command("Assert-SkLease", Drive="D", Run="r", Generation=1, ErrorAction="Stop"), stop)
    assert (said.output, said.failed.error_id) == ([], "SkLeaseLost,Assert-SkLease")
    assert session.state.service("Spooler").state == "Running"


def test_a_changed_function_is_refused_by_name(lab_session: Sessions) -> None:
    said = lab_session("PR2").run(Command("function Get-SkTree {\n  'changed'\n}\n", is_script=True))
    assert said.failed.error_id == "EmulatorNotImplemented"
    assert "get_sk_tree.py" in said.failed.message


def test_a_function_exists_only_where_it_was_loaded(lab_session: Sessions) -> None:
    session = lab_session("PR2")
    session.runspace.session.functions.clear()
    assert session("Get-SkState", Service=["VSS"]).failed.error_id == "CommandNotFoundException"


def test_registry_items_carry_typed_values_and_their_place(lab_session: Sessions) -> None:
    session = lab_session("CEN")
    said = session("Get-ItemProperty", Path=r"HKLM:\SOFTWARE\Wow6432Node\Microsoft\SMS\Setup")
    values = said.output[0].extended
    assert values["Installation Directory"] == r"C:\Program Files (x86)\Microsoft Configuration Manager"
    assert values["Type"] == 1
    assert values["PSPath"].endswith(r"Registry::HKEY_LOCAL_MACHINE\SOFTWARE\Wow6432Node\Microsoft\SMS\Setup")
    assert not session("Test-Path", Path=r"HKLM:\SOFTWARE\Microsoft\SMS\Identification").output[0]
    missing = session("Get-ItemProperty", Path=r"HKLM:\SOFTWARE\Microsoft\SMS\SQL Server")
    assert missing.ids == ["PathNotFound,Microsoft.PowerShell.Commands.GetItemPropertyCommand"]


def test_select_object_takes_properties_out_of_what_is_piped(
    lab_session: Sessions, lab_command: Callable[..., Command]
) -> None:
    said = lab_session("PR2").run(
        (lab_command("Get-Service", Name=["VSS", "WinRM"]), lab_command("Select-Object", ExpandProperty="Status"))
    )
    assert said.output == ["Stopped", "Running"]


def test_errors_can_be_merged_into_the_output(lab_session: Sessions) -> None:
    session = lab_session("PR2")
    said = session.run(Command("Get-Service", parameters=(("Name", ["VSS", "nobody"]),), merge_errors=True))
    assert [type(item).__name__ for item in said.output] == ["PsObject", "ErrorRecord"]
    assert not said.errors


def test_calls_and_sessions_stand_in_the_audit_log_without_bytes(lab_session: Sessions) -> None:
    session = lab_session("PR2")
    session("Write-Output", InputObject=[b"x" * 5000])
    text = session.host.audit.path.read_text("utf-8")
    assert "<5000 bytes>" in text
    assert '"user": "LAB\\\\backup"' in text
