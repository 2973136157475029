from __future__ import annotations

import base64
import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
from pypsrp.exceptions import WinRMTransportError
from pypsrp.powershell import PowerShell, RunspacePool
from pypsrp.wsman import WSMan

from sitekeeper_lab.wsman import Tls
from sitekeeper_lab.wsman.outbox import LIMIT

from .conftest import Host, MakeHost

pytestmark = pytest.mark.filterwarnings("ignore:Unverified HTTPS request")


def test_big_objects_in_both_directions(host: Host, invoker: Callable[..., PowerShell]) -> None:
    host.engine.cmdlets["Get-Back"] = lambda call: call.sink.output(call.named["Value"])
    text = "größer " * 200_000
    with host.client() as wsman, RunspacePool(wsman) as pool:
        assert invoker(pool, ("Get-Back", {"Value": text})).output == [text]
        data = bytes(range(256)) * 8_000
        assert invoker(pool, ("Get-Back", {"Value": data})).output == [data]
    sends = [each for each in host.requests if each.operation == "Send"]
    assert sends
    assert all(each.bytes_in <= 512_000 + 1_000 for each in sends)


@pytest.mark.parametrize("envelope", [153_599, 512_000, 8_000])
def test_answers_fit_the_envelope_and_recorded_sizes(host: Any, invoker: Any, envelope: int) -> None:
    host.engine.cmdlets["Get-Big"] = lambda call: (
        [call.sink.output(bytes(100_000)) for _ in range(4)],
        [call.sink.output(n) for n in range(3_000)],
    )
    with host.client(max_envelope_size=envelope) as wsman, RunspacePool(wsman) as pool:
        output = invoker(pool, ("Get-Big", {})).output
        assert output == [bytes(100_000)] * 4 + list(range(3_000))
    biggest = max(each.bytes_out for each in host.requests if each.operation == "Receive")
    assert biggest <= envelope + 500  # the sealing's frame is not of the envelope
    assert biggest <= 512_000 if envelope != 512_000 else biggest > 170_000


def test_a_slow_client_slows_the_engine_down(host: Any) -> None:
    written = [0]
    full = threading.Event()
    chunk = bytes(256 * 1024)
    total = 100

    def pour(call: Any) -> None:
        for _ in range(total):
            if written[0] * len(chunk) * 4 / 3 > LIMIT * 0.9:
                full.set()
            call.sink.output(chunk)
            written[0] += 1

    host.engine.cmdlets["Get-Flood"] = pour
    with host.client() as wsman, RunspacePool(wsman) as pool, PowerShell(pool) as ps:
        ps.add_cmdlet("Get-Flood").begin_invoke()
        assert full.wait(10)
        shell = host.server._service.shells.look(pool.id, "LAB\\keeper").shell
        outbox = shell.command(ps._command_id).outbox
        assert written[0] < total / 2
        output = ps.end_invoke()
        assert len(output) == total
        assert outbox.peak < LIMIT + 512 * 1024


def test_a_flood_that_nobody_wants_ends_when_the_shell_does(host: Host) -> None:
    def pour(call: Any) -> None:
        while True:
            call.sink.output(bytes(1 << 20))

    host.engine.cmdlets["Get-Flood"] = pour
    with host.client() as wsman, RunspacePool(wsman) as pool:
        PowerShell(pool).add_cmdlet("Get-Flood").begin_invoke()
    assert host.engine.closed.acquire(timeout=5)


def _heal(wsman: WSMan) -> None:
    wsman.transport.close()
    wsman.transport.session = None
    wsman.transport.encryption = None


@pytest.mark.parametrize("when", ["before", "after", "during"])
def test_a_broken_receive_loses_nothing_when_its_message_is_sent_again(
    host: Any, monkeypatch: pytest.MonkeyPatch, when: Any
) -> None:
    host.engine.cmdlets["Get-Big"] = lambda call: [call.sink.output(f"{n}" * 20_000) for n in range(10)]
    with host.client() as wsman, RunspacePool(wsman) as pool, PowerShell(pool) as ps:
        ps.add_cmdlet("Get-Big").begin_invoke()
        send = wsman.transport.send

        def again(message: bytes, **more: Any) -> Any:
            try:
                return send(message, **more)
            except requests.ConnectionError:
                _heal(wsman)
                return send(message, **more)
            except requests.exceptions.ChunkedEncodingError:
                _heal(wsman)
                return send(message, **more)

        monkeypatch.setattr(wsman.transport, "send", again)
        host.faults.drop(operation="Receive", when=when, times=1)
        assert [each[0] for each in ps.end_invoke()] == [str(n) for n in range(10)]
    replayed = [each.operation for each in host.requests if each.replayed]
    assert replayed == ([] if when == "before" else ["Receive"])


def test_a_create_that_was_answered_into_the_void_makes_one_shell(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    with host.client() as wsman:
        send = wsman.transport.send

        def again(message: bytes, **more: Any) -> Any:
            try:
                return send(message, **more)
            except requests.ConnectionError:
                _heal(wsman)
                return send(message, **more)

        monkeypatch.setattr(wsman.transport, "send", again)
        host.faults.drop(operation="Create", when="after")
        with RunspacePool(wsman):
            assert len(host.server.shell_ids) == 1
            assert len(host.engine.users) == 1


def test_a_drop_at_a_number_happens_as_often_as_asked(host: Host) -> None:
    host.faults.drop(at=2, times=2)
    for _ in range(2):
        with host.client() as wsman, pytest.raises(requests.ConnectionError):
            RunspacePool(wsman).open()
    with host.client() as wsman, RunspacePool(wsman):
        pass
    assert [each.number for each in host.requests if not each.status] == [2, 3]
    host.faults.drop(at=1)
    host.faults.clear()
    with host.client() as wsman, RunspacePool(wsman):
        pass


def test_after_a_drop_pypsrp_seals_with_dead_keys_and_is_told_400(host: Host) -> None:
    with host.client() as wsman:
        pool = RunspacePool(wsman)
        pool.open()
        host.faults.drop(operation="Get")
        assert not pool.is_alive()
        with pytest.raises(WinRMTransportError) as dead:
            pool.shell.receive("stdout")
        assert dead.value.code == 400
        assert dead.value.response_text == ""


def test_output_stays_for_the_next_when_a_waiting_client_is_gone(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()
    host.engine.cmdlets["Wait-It"] = lambda call: (go.wait(10), call.sink.output("kept"))
    with host.client() as wsman, RunspacePool(wsman) as pool, PowerShell(pool) as ps:
        ps.add_cmdlet("Wait-It").begin_invoke()
        with host.client() as impatient:
            send = impatient.transport.send
            monkeypatch.setattr(impatient.transport, "send", lambda message, **_: send(message, timeout=(5, 0.3)))
            shell = pool.shell
            shell.wsman, mine = impatient, shell.wsman
            with pytest.raises(requests.ReadTimeout):
                shell.receive("stdout", command_id=ps._command_id)
            shell.wsman = mine
        go.set()
        assert ps.end_invoke() == ["kept"]


def test_stop_ends_connections_pipelines_and_threads(make_host: MakeHost) -> None:
    host = make_host()
    started = threading.Event()

    def wait(call: Any) -> None:
        started.set()
        call.sink.stopped.wait(10)

    host.engine.cmdlets["Wait-It"] = wait
    with host.client() as wsman:
        pool = RunspacePool(wsman)
        pool.open()
        PowerShell(pool).add_cmdlet("Wait-It").begin_invoke()
        assert started.wait(5)
        host.server.stop()
        assert host.engine.closed.acquire(timeout=5)
        with pytest.raises((requests.ConnectionError, WinRMTransportError)):
            pool.shell.receive("stdout")


def test_base64_of_a_chunk_is_not_a_bottleneck_of_the_escape(host: Any, invoker: Any) -> None:
    chunk = base64.b64encode(bytes(range(256)) * 1024).decode()
    host.engine.cmdlets["Get-Chunks"] = lambda call: [call.sink.output(chunk) for _ in range(8)]
    with host.client() as wsman, RunspacePool(wsman) as pool:
        assert invoker(pool, ("Get-Chunks", {})).output == [chunk] * 8


@pytest.mark.parametrize("secure", [False, True])
def test_a_dropped_idle_connection_heals(
    make_host: MakeHost, tls: Tls, invoker: Callable[..., PowerShell], secure: bool
) -> None:
    host = make_host(https_port=0, tls=tls)
    host.engine.cmdlets["Get-Hello"] = lambda call: call.sink.output("hello")
    with host.client(ssl=secure) as wsman, RunspacePool(wsman) as pool:
        assert invoker(pool, ("Get-Hello", {})).output == ["hello"]
        host.server.drop_connections()
        if not secure:  # over https pypsrp heals by itself
            _heal(wsman)
        assert invoker(pool, ("Get-Hello", {})).output == ["hello"]
    assert len(host.engine.users) == 1


def test_a_silent_connection_is_closed(make_host: MakeHost) -> None:
    host = make_host(idle_connection=0.05)
    with socket.create_connection((host.server.address, host.server.http_port), timeout=5) as sock:
        assert sock.recv(1) == b""


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"POST /wsman HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"400"),
        (b"POST /wsman HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"411"),
        (b"POST /wsman HTTP/1.1\r\nContent-Length: 999999999\r\n\r\n", b"413"),
        (b"POST /wsman HTTP/1.1\r\nAuthorization: Negotiate !!\r\n\r\n", b"401"),
        (b"POST /wsman HTTP/1.1\r\nAuthorization: Negotiate YWJj\r\n\r\n", b"401"),
        (b"POST /wsman HTTP/1.1\r\nAuthorization: Negotiate TlRMTVNTUAADAAAA\r\n\r\n", b"401"),
    ],
)
def test_bad_requests_are_answered_and_nothing_breaks(host: Host, sent: bytes, status: bytes) -> None:
    with socket.create_connection((host.server.address, host.server.http_port), timeout=5) as sock:
        sock.sendall(sent)
        assert sock.recv(100).startswith(b"HTTP/1.1 " + status)


def test_plain_http_to_the_https_port_is_just_closed(make_host: MakeHost, tls: Tls) -> None:
    host = make_host(https_port=0, tls=tls)
    with socket.create_connection((host.server.address, host.server.https_port), timeout=5) as sock:
        sock.sendall(b"POST /wsman HTTP/1.1\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            while sock.recv(100):
                pass


def test_a_connection_dropped_while_receive_waits_loses_nothing(host: Any) -> None:
    waiting, go = threading.Event(), threading.Event()

    def wait(call: Any) -> None:
        waiting.set()
        go.wait(10)
        call.sink.output("kept")

    host.engine.cmdlets["Wait-It"] = wait
    with host.client() as wsman, RunspacePool(wsman) as pool, PowerShell(pool) as ps:
        ps.add_cmdlet("Wait-It").begin_invoke()
        assert waiting.wait(5)
        outbox = host.server._service.shells.look(pool.id, "LAB\\keeper").shell.command(ps._command_id).outbox
        failed = threading.Event()

        def receive() -> None:
            with pytest.raises(requests.ConnectionError):
                pool.shell.receive("stdout", command_id=ps._command_id)
            failed.set()

        receiver = threading.Thread(target=receive)
        receiver.start()
        while not outbox._turn:
            time.sleep(0.001)
        host.server.drop_connections()
        assert failed.wait(5)
        receiver.join()
        go.set()
        _heal(wsman)
        assert ps.end_invoke() == ["kept"]


def test_a_rebooted_host_has_no_shells(make_host: MakeHost, invoker: Callable[..., PowerShell]) -> None:
    host = make_host()
    host.engine.cmdlets["Get-Hello"] = lambda call: call.sink.output("hello")
    with host.client() as wsman:
        RunspacePool(wsman).open()
    host.server.stop()
    host.server.start()
    assert host.server.shell_ids == []
    with host.client() as wsman, RunspacePool(wsman) as pool:
        assert invoker(pool, ("Get-Hello", {})).output == ["hello"]
    assert len(set(host.requests)) == len(host.requests)
