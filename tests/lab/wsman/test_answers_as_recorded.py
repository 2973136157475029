"""What recordings of real Windows corrected in the lab's answers; they themselves are compared in tests/fidelity."""

from __future__ import annotations

import pytest

from sitekeeper_lab.wsman import fault, records, shell_xml, soap
from sitekeeper_lab.wsman.shell import ShellFacts


@pytest.mark.parametrize(
    ("problem", "action"),
    [
        (fault.timed_out(), "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault"),
        (fault.invalid_timeout("PT-1S"), "http://schemas.xmlsoap.org/ws/2004/08/addressing/fault"),
    ],
)
def test_a_fault_goes_by_the_action_of_its_kind(problem: fault.WsmanFault, action: str) -> None:
    told = soap.fault(problem, "uuid:1", "host").decode()
    assert f"<a:Action>{action}</a:Action>" in told
    assert "<a:RelatesTo>uuid:1</a:RelatesTo>" in told


def test_a_count_of_runspaces_is_an_i32() -> None:
    assert '<I32 N="SetMinMaxRunspacesResponse">5</I32><I64 N="ci">2</I64>' in records.runspace_availability(2, 5)


@pytest.mark.parametrize(("protocol", "debugs"), [("2.1", False), ("2.2", True), ("2.3", False)])
def test_only_powershell_4_tells_how_its_debugger_stands(protocol: str, debugs: bool) -> None:
    told = records.application_private_data({"PSVersion": "2.0", "PSRemotingProtocolVersion": protocol})
    assert ("DebugMode" in told, "DebugBreakpointCount" in told) == (debugs, debugs)


@pytest.mark.parametrize(("profile", "shown"), [(True, "Yes"), (False, "No")])
def test_whether_a_profile_is_loaded(profile: bool, shown: str) -> None:
    facts = ShellFacts("A", "uri", "owner", "127.0.0.1", 60.0, 4, profile=profile)
    assert f"<rsp:ProfileLoaded>{shown}</rsp:ProfileLoaded>" in shell_xml.shell(facts, "Connected", 0, 0)
