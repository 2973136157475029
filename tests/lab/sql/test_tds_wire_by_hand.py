"""Bytes on the lab's TDS wire, written and read by hand: what no driver of ours would send, and what MS-TDS says of replies."""

from __future__ import annotations

import random
import socket
import struct
from collections.abc import Callable

import pytest

from sitekeeper_lab.sql.login import encryption_reply, read_login7, read_prelogin, write_prelogin
from sitekeeper_lab.sql.ntlm import NtlmAcceptor, md4
from sitekeeper_lab.sql.server import TdsServer

Serve = Callable[..., TdsServer]


def packet(kind: int, data: bytes, status: int = 1) -> bytes:
    return struct.pack(">BBHHBB", kind, status, len(data) + 8, 0, 1, 0) + data


def receive(wire: socket.socket) -> bytes:
    """One whole message; b'' when the server is gone."""
    whole = b""
    while True:
        header = b""
        while len(header) < 8:
            part = wire.recv(8 - len(header))
            if not part:
                return b""
            header += part
        _, status, length, *_ = struct.unpack(">BBHHBB", header)
        data = b""
        while len(data) < length - 8:
            data += wire.recv(length - 8 - len(data))
        whole += data
        if status & 1:
            return whole


def login7(user: str, password: str, version: int = 0x74000004) -> bytes:
    hidden = bytes(((byte << 4 | byte >> 4) & 0xFF) ^ 0xA5 for byte in password.encode("utf-16-le"))
    texts = ["host", user, "", "by hand", "srv", "", "lib", "", "master"]
    fields = [hidden if number == 2 else text.encode("utf-16-le") for number, text in enumerate(texts)]
    fixed, body, at = b"", b"", 94
    for data in fields:
        fixed += struct.pack("<HH", at + len(body), len(data) // 2)
        body += data
    rest = bytes(6) + struct.pack("<HHHHHHI", at + len(body), 0, at + len(body), 0, at + len(body), 0, 0)
    head = struct.pack("<IIIIII", 94 + len(body), version, 4096, 7, 1, 0) + bytes([0xE0, 3, 0, 0]) + bytes(8)
    return head + fixed + rest + body


def logged_in(server: TdsServer) -> socket.socket:
    wire = socket.create_connection((server.address, server.port), timeout=10)
    wire.sendall(packet(0x12, write_prelogin("9.0.0.0", 2)))
    assert read_prelogin(receive(wire))[1] == b"\2"
    wire.sendall(packet(0x10, login7("reader", "r")))
    reply = receive(wire)
    assert bytes([0xAD]) in reply
    assert reply[-13:] == b"\xfd" + bytes(12)
    return wire


def batch(sql: str) -> bytes:
    headers = struct.pack("<IIHQI", 22, 18, 2, 0, 1)
    return headers + sql.encode("utf-16-le")


def test_a_batch_by_hand(serve: Serve) -> None:
    with logged_in(serve(tls=False)) as wire:
        wire.sendall(packet(1, batch("SELECT CAST(5 AS int) AS a")))
        reply = receive(wire)
        metadata = b"\x81\x01\0" + bytes(4) + b"\x09\0\x26\x04\x01a\0"
        done = b"\xfd" + struct.pack("<HHQ", 0x10, 0xC1, 1)
        assert reply == metadata + b"\xd1\x04\x05\0\0\0" + done


def test_an_attention_while_idle_is_acknowledged_alone(serve: Serve) -> None:
    with logged_in(serve(tls=False)) as wire:
        wire.sendall(packet(6, b""))
        assert receive(wire) == b"\xfd\x20\0\xfd\0"[:3] + bytes(10)
        wire.sendall(packet(1, batch("SELECT 1")))
        assert receive(wire)[0] == 0x81


def test_an_attention_in_a_statement_is_acknowledged_in_a_message_of_its_own(serve: Serve) -> None:
    with logged_in(serve(tls=False)) as wire:
        wire.sendall(packet(1, batch("WAITFOR DELAY '00:01:00'")))
        wire.sendall(packet(6, b""))
        assert receive(wire)[-13:-10] == b"\xfd\x02\0"
        assert receive(wire) == b"\xfd\x20\0" + bytes(10)


def test_a_message_taken_back_is_not_run(serve: Serve) -> None:
    server = serve(tls=False)
    with logged_in(server) as wire:
        wire.sendall(packet(1, batch("UPDATE CM_ABC.dbo.LabCounter SET value = 9"), status=3))
        assert receive(wire) == b"\xfd\x02\0" + bytes(10)
        assert server.instance.databases["CM_ABC"].counter() == 0


def test_a_reset_goes_back_to_the_logins_database(serve: Serve) -> None:
    with logged_in(serve(tls=False)) as wire:
        wire.sendall(packet(1, batch("USE CM_ABC")))
        receive(wire)
        wire.sendall(packet(1, batch("SELECT DB_NAME()"), status=9))
        reply = receive(wire)
        assert reply.startswith(b"\xe3\x03\0\x12\0\0")
        assert "master".encode("utf-16-le") in reply


def test_noise_ends_a_connection_and_nothing_else(serve: Serve) -> None:
    server = serve()
    source = random.Random(7)  # noqa: S311
    noises = [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        packet(0x12, b"\xff"),
        packet(0x12, b"\0\0"),
        packet(0x10, bytes(40)),
        b"\x16\x03\x01\0\x02hi",
    ]
    noises += [packet(kind, source.randbytes(60)) for kind in (0x12, 0x10, 1, 3, 0x11, 99)]
    for noise in noises:
        with socket.create_connection((server.address, server.port), timeout=10) as wire:
            wire.sendall(noise)
            wire.shutdown(socket.SHUT_WR)
            while wire.recv(4096):
                pass
    logged_in(serve(tls=False)).close()


@pytest.mark.parametrize("kind", [1, 3, 0x0E, 7, 99])
def test_a_request_of_noise_is_an_error_and_not_the_end(serve: Serve, kind: int) -> None:
    source = random.Random(kind)  # noqa: S311
    with logged_in(serve(tls=False)) as wire:
        for length in (0, 1, 3, 22, 60):
            wire.sendall(packet(kind, source.randbytes(length)))
            assert bytes([0xAA]) in receive(wire)
        wire.sendall(packet(1, batch("SELECT 1")))
        assert receive(wire)[0] == 0x81


@pytest.mark.parametrize(
    ("mode", "replies"),
    [("off", [0, 1, 2, 1]), ("required", [3, 1, 3, 1]), ("not_supported", [2, 2, 2, 2])],
)
def test_the_encryption_byte(mode: str, replies: list[int]) -> None:
    assert [encryption_reply(mode, client) for client in range(4)] == replies
    assert [encryption_reply(mode, client | 0x80) for client in range(4)] == replies


def test_the_password_is_not_shown() -> None:
    read = read_login7(login7("me", "s3cret"))
    assert (read.user, read.password, read.database) == ("me", "s3cret", "master")
    assert "s3cret" not in repr(read)


def test_md4_is_that_of_its_rfc() -> None:
    assert md4(b"").hex() == "31d6cfe0d16ae931b73c59d7e0c089c0"
    assert md4(b"message digest").hex() == "d9130a8164549fe818874806e1c7014b"
    assert md4(b"1234567890" * 8).hex() == "e33b4ddc9c38f2199c3e7b164fcc0536"


def test_ntlm_noise_is_refused() -> None:
    acceptor = NtlmAcceptor("CONTOSO", "SQL01")
    assert acceptor.challenge(b"noise") is None
    assert acceptor.challenge(b"NTLMSSP\0\x01\0\0\0") is not None
    assert acceptor.verify(b"NTLMSSP\0\x03\0\0\0" + bytes(60), lambda _name: "x") is None
    assert acceptor.verify(b"", lambda _name: "x") is None
