from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from pypsrp.complex_objects import PSInvocationState
from pypsrp.exceptions import WSManFaultError
from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.shell import SignalCode, WinRS

from sitekeeper_lab.engines.api import ErrorRecord
from sitekeeper_lab.wsman import Account, Limits

from .conftest import Host, MakeHost


def _versions(pool: RunspacePool) -> dict[str, Any]:
    return dict(pool.application_private_data.data["PSVersionTable"])  # type: ignore[union-attr]


def test_the_pool_opens_as_recorded(host: Host) -> None:
    with host.client() as wsman, RunspacePool(wsman) as pool:
        assert pool.protocol_version == "2.3"
        assert wsman.max_envelope_size == 512_000
        versions = _versions(pool)
        assert versions["BuildVersion"] == "10.0.14393.2248"
        assert versions["PSEdition"] == "Desktop"
        assert versions["PSCompatibleVersions"][-1] == "5.1.14393.2248"
        assert pool.shell.id == pool.id
        assert pool.shell.owner == "LAB\\keeper"
        assert pool.is_alive()
        assert pool.get_available_runspaces() == 1
        pool.max_runspaces = 3
        assert pool.get_available_runspaces() == 3
    assert host.server.shell_ids == []
    assert host.engine.closed.acquire(timeout=5)
    assert host.operations()[3:7] == ["Create", "Receive", "Receive", "Get"]


def test_stack_2_gives_ids_of_its_own_and_no_shell_element(
    make_host: MakeHost, old_versions: Mapping[str, str], invoker: Callable[..., PowerShell]
) -> None:
    host = make_host(old_versions)
    host.engine.cmdlets["Get-Hello"] = lambda call: call.sink.output("hello")
    with host.client() as wsman, RunspacePool(wsman) as pool:
        assert pool.protocol_version == "2.1"
        assert wsman.max_envelope_size == 153_600
        assert _versions(pool)["PSVersion"] == "2.0"
        assert pool.shell.owner is None
        (shell_id,) = host.server.shell_ids
        assert shell_id != pool.id
        ps = invoker(pool, ("Get-Hello", {}), ("Get-Nothing", {}))
        assert ps.output == ["hello"]
        assert ps._command_id != ps.id
        exception: Any = ps.streams.error[0].exception
        assert "HResult" not in exception.adapted_properties
    assert host.server.shell_ids == []


@pytest.mark.parametrize(("name", "code"), [("Microsoft.Exchange", 2150858811), ("Site.Role", None)])
def test_session_configurations(make_host: MakeHost, name: str, code: int | None) -> None:
    host = make_host(configurations=["Site.Role"])
    with host.client() as wsman:
        pool = RunspacePool(wsman, configuration_name=name)
        if code is None:
            with pool:
                return
        with pytest.raises(WSManFaultError) as refused:
            pool.open()
        assert refused.value.code == code
        assert "was not found in the WS-Management catalog" in str(refused.value)


def test_what_is_not_emulated_is_said_aloud(host: Host) -> None:
    with host.client() as wsman:
        with pytest.raises(WSManFaultError, match=r"emulator: the shell .*cmd is not emulated"):
            WinRS(wsman).open()
        with RunspacePool(wsman) as pool:
            with pytest.raises(WSManFaultError, match="emulator: PSRP message GET_COMMAND_METADATA is not emulated"):
                pool.get_command_metadata("Get-Item")
            with pytest.raises(WSManFaultError, match="emulator: PSRP message PUBLIC_KEY is not emulated"):
                pool.exchange_keys()


def test_nothing_within_the_timeout_is_a_fault_that_clients_ask_again_after(host: Any) -> None:
    go = threading.Event()
    host.engine.cmdlets["Wait-It"] = lambda call: (go.wait(10), call.sink.output("done"))
    with host.client(operation_timeout=1) as wsman, RunspacePool(wsman) as pool, PowerShell(pool) as ps:
        ps.add_cmdlet("Wait-It").begin_invoke()
        with pytest.raises(WSManFaultError) as waited:
            pool._receive(ps.id)
        assert waited.value.code == 2150858793
        go.set()
        assert ps.end_invoke() == ["done"]
        with pytest.raises(WSManFaultError) as bad:
            pool._receive(ps.id, timeout=-1)
        assert bad.value.code == 2150858767
        assert "PT-1S" in str(bad.value)


def test_unknown_shells_and_commands(host: Host) -> None:
    with host.client() as wsman, RunspacePool(wsman) as pool:
        with pytest.raises(WSManFaultError) as command:
            pool.shell.receive("stdout", command_id="00000000-0000-0000-0000-000000000001")
        assert command.value.code == 2150858843
        with host.client() as second, RunspacePool(second) as other:
            other.shell._selector_set, mine = pool.shell._selector_set, other.shell._selector_set
            other.shell.close()
            with pytest.raises(WSManFaultError) as shell:
                pool.shell.receive("stdout")
            assert shell.value.code == 2150858843
            assert not pool.is_alive()
            other.shell._selector_set, other.shell.opened = mine, True


def test_a_stopped_pipeline_hears_of_it_and_ends_stopped(host: Host) -> None:
    started, ended = threading.Event(), threading.Event()

    def endless(call: Any) -> None:
        call.sink.output("first")
        started.set()
        call.sink.stopped.wait(10)
        ended.set()
        call.sink.output("never")

    host.engine.cmdlets["Start-Endless"] = endless
    with host.client() as wsman, RunspacePool(wsman) as pool, PowerShell(pool) as ps:
        ps.add_cmdlet("Start-Endless").begin_invoke()
        assert started.wait(5)
        with host.client() as second:
            shell = WinRS(second, resource_uri=pool.shell.resource_uri, id=pool.shell.id)
            shell._selector_set = pool.shell._selector_set
            shell.signal(SignalCode.PS_CTRL_C, ps._command_id or "")
        assert ended.wait(5)
        while ps.state == PSInvocationState.RUNNING:
            ps.poll_invoke()
        assert ps.state == PSInvocationState.STOPPED
        assert ps.output == ["first"]


def test_a_deleted_shell_stops_its_pipelines(host: Host) -> None:
    started, ended = threading.Event(), threading.Event()

    def wait(call: Any) -> None:
        started.set()
        call.sink.stopped.wait(10)
        ended.set()

    host.engine.cmdlets["Wait-It"] = wait
    with host.client() as wsman:
        with RunspacePool(wsman) as pool:
            PowerShell(pool).add_cmdlet("Wait-It").begin_invoke()
            assert started.wait(5)
        assert ended.wait(5)
    assert host.engine.closed.acquire(timeout=5)


def test_quotas(make_host: MakeHost) -> None:
    host = make_host(limits=Limits(shells_per_user=1, commands_per_shell=2))
    host.engine.cmdlets["Get-Hello"] = lambda call: call.sink.output("hello")
    with host.client() as wsman, RunspacePool(wsman) as pool:
        for _ in range(2):
            assert PowerShell(pool).add_cmdlet("Get-Hello").invoke() == ["hello"]
        with pytest.raises(WSManFaultError) as commands:
            PowerShell(pool).add_cmdlet("Get-Hello").invoke()
        assert commands.value.code == "w:InternalError"
        with host.client() as second, pytest.raises(WSManFaultError) as shells:
            RunspacePool(second).open()
        assert shells.value.code == "w:QuotaLimit"
        assert "maximum number of concurrent shells" in str(shells.value)


def test_another_client_takes_a_disconnected_shell_over(host: Any) -> None:
    go = threading.Event()
    host.engine.cmdlets["Wait-It"] = lambda call: (go.wait(10), call.sink.output("done"))
    with host.client() as wsman:
        pool = RunspacePool(wsman)
        pool.open()
        ps = PowerShell(pool).add_cmdlet("Wait-It")
        ps.begin_invoke()
        pool.disconnect()
        with pytest.raises(WSManFaultError) as refused:
            pool.shell.receive("stdout")
        assert refused.value.code == 2150859204
    with host.client() as second:
        (other,) = RunspacePool.get_runspace_pools(second)
        other.connect()
        (taken,) = other.create_disconnected_power_shells()
        go.set()
        taken.connect()  # type: ignore[no-untyped-call]
        while taken.state == PSInvocationState.RUNNING:
            taken.poll_invoke()
        assert taken.output == ["done"]
        other.disconnect()
        other.connect()
        other.close()
    assert host.server.shell_ids == []


def test_the_audit_tells_what_ran_for_whom(host: Host) -> None:
    host.engine.cmdlets["Get-Hello"] = lambda call: call.sink.output("hello")
    with host.client() as wsman, RunspacePool(wsman) as pool, PowerShell(pool) as ps:
        ps.add_cmdlet("Get-Hello").add_parameter("Name", "x").add_statement()
        ps.add_script("Get-Hello").invoke()
    (seen,) = host.commands
    assert seen.user == "LAB\\keeper"
    assert [[(each.text, each.is_script) for each in statement] for statement in seen.statements] == [
        [("Get-Hello", False)],
        [("Get-Hello", True)],
    ]
    assert [each.number for each in host.requests] == list(range(1, len(host.requests) + 1))
    assert host.operations() == ["Login", "Login", "Login", "Create"] + ["Receive"] * 2 + [
        "Command",
        "Receive",
        "Signal",
        "Delete",
    ]
    received = host.requests[7]
    assert (received.command_id, received.user, received.status) == (seen.command_id, "LAB\\keeper", 200)
    assert received.bytes_out > 100
    assert host.server.cpu_seconds() > 0


def test_the_configuration_tells_the_envelope(make_host: MakeHost, old_versions: Mapping[str, str]) -> None:
    for host, size in ((make_host(), 512_000), (make_host(old_versions), 153_600)):
        with host.client() as wsman:
            wsman.update_max_payload_size()
            assert wsman.max_envelope_size == size


def test_stack_2_knows_no_disconnected_shells(make_host: MakeHost, old_versions: Mapping[str, str]) -> None:
    host = make_host(old_versions)
    with host.client() as wsman, RunspacePool(wsman) as pool:
        with pytest.raises(WSManFaultError) as refused:
            pool.disconnect()
        assert refused.value.code == "a:ActionNotSupported"


def test_an_envelope_over_the_limit_is_refused(make_host: MakeHost, invoker: Callable[..., PowerShell]) -> None:
    host = make_host(limits=Limits(max_envelope=100_000))
    refused = pytest.raises(WSManFaultError, match=r"emulator: an envelope of \d+ bytes, 100000 are allowed")
    with host.client() as wsman, RunspacePool(wsman) as pool, refused:
        invoker(pool, ("Get-Hello", {"Value": "x" * 110_000}))


def test_a_mistake_of_the_engine_reaches_the_client(host: Host, invoker: Callable[..., PowerShell]) -> None:
    host.engine.cmdlets["Get-Set"] = lambda call: call.sink.output({1})
    with host.client() as wsman, RunspacePool(wsman) as pool:
        ps = invoker(pool, ("Get-Set", {}))
        assert ps.had_errors
        assert str(ps.streams.error[0]) == "emulator: TypeError: no CLIXML for a builtins.set"
        assert invoker(pool, ("Get-Set", {"Big": 2**31})).streams.error[0].fq_error == "EmulatorError"


def test_errors_are_merged_into_the_output_where_asked(host: Host) -> None:
    def get_thing(call: Any) -> None:
        (call.sink.output if call.command.merge_errors else call.sink.error)(ErrorRecord("no", "No"))
        call.sink.output(1)

    host.engine.cmdlets["Get-Thing"] = get_thing
    with host.client() as wsman, RunspacePool(wsman) as pool, PowerShell(pool) as ps:
        ps.add_cmdlet("Get-Thing").merge_error("output")
        record, value = ps.invoke()
        assert (record.fq_error, value) == ("No", 1)
        assert not ps.streams.error
    assert host.commands[0].statements[0][0].merge_errors


def test_many_clients_at_once(host: Host, invoker: Callable[..., PowerShell]) -> None:
    host.engine.cmdlets["Get-Back"] = lambda call: call.sink.output(call.named["Value"])
    answers: list[list[Any]] = []

    def work(number: int) -> None:
        with host.client() as wsman, RunspacePool(wsman) as pool:
            answers.extend(invoker(pool, ("Get-Back", {"Value": [number, each]})).output for each in range(5))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(answers) == [[[number, each]] for number in range(6) for each in range(5)]
    assert host.server.shell_ids == []
    assert sorted(each.number for each in host.requests) == list(range(1, len(host.requests) + 1))


def test_pipelines_of_one_pool_run_one_after_the_other(host: Host) -> None:
    go = threading.Event()
    order: list[str] = []

    def first(call: Any) -> None:
        go.wait(10)
        order.append("first")
        call.sink.output(1)

    host.engine.cmdlets["Get-First"] = first

    def second(call: Any) -> None:
        order.append("second")
        call.sink.output(2)

    host.engine.cmdlets["Get-Second"] = second
    with host.client() as wsman, RunspacePool(wsman) as pool:
        one, two = PowerShell(pool).add_cmdlet("Get-First"), PowerShell(pool).add_cmdlet("Get-Second")
        stopped = PowerShell(pool).add_cmdlet("Get-Second")
        for ps in (one, stopped, two):
            ps.begin_invoke()
        stopped.stop()
        go.set()
        assert two.end_invoke() == [2]
        assert one.end_invoke() == [1]
    assert order == ["first", "second"]


def test_a_user_without_the_right_is_denied(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(user: str, configuration: str) -> None:
        raise PermissionError(5, "Access is denied.", user)

    monkeypatch.setattr(host.engine, "open", refuse)
    with host.client() as wsman:
        with pytest.raises(WSManFaultError, match=r"Access is denied\.") as refused:
            RunspacePool(wsman).open()
        assert refused.value.code == 5


def test_a_shell_belongs_to_its_user(make_host: MakeHost) -> None:
    accounts = [Account("LAB", "keeper", "Pa55 wörd!"), Account("LAB", "other", "other")]
    host = make_host(accounts=accounts)
    with (
        host.client() as wsman,
        RunspacePool(wsman) as pool,
        host.client(username="LAB\\other", password="other") as w2,
    ):
        stranger = WinRS(w2, resource_uri=pool.shell.resource_uri, id=pool.shell.id)
        stranger._selector_set = pool.shell._selector_set
        with pytest.raises(WSManFaultError) as refused:
            stranger.receive("stdout")
        assert refused.value.code == 5
        assert RunspacePool.get_runspace_pools(w2) == []
        assert len(RunspacePool.get_runspace_pools(wsman)) == 1


def test_a_silent_shell_shows_as_disconnected_and_idle_too_long_it_is_deleted(host: Host) -> None:
    with host.client() as wsman, RunspacePool(wsman, idle_timeout=90) as pool:
        held = host.server._service.shells.look(pool.id, "LAB\\keeper")
        assert held.shell.facts.idle_timeout == 90
        assert pool.is_alive()
        held.used -= 61
        assert not pool.is_alive()
        assert host.server.shell_ids == [pool.id]
        held.used -= 30
        assert host.server.shell_ids == []
