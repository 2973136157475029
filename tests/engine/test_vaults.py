"""Ansible Vault: envelopes of our own making, and two that Ansible itself made."""

from __future__ import annotations

import hashlib
import hmac
import os
from binascii import hexlify
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from sitekeeper.engine import secrets, vault, yaml_file
from sitekeeper.engine.errors import SecretError
from sitekeeper.engine.inventory import inventory_reader
from sitekeeper.engine.secrets import Secret

PASSWORD = secrets.inline("Tr0ub4dor&3", "test")

# ansible-vault encrypt (ansible-core 2.19.14) of "db_password: ...\nport: 4711\nflag: true\n"
FILE = """\
$ANSIBLE_VAULT;1.1;AES256
36646266633164386137343963343637653062346135326530626434323237626161356434313632
3866316534626534656662326365386530323936356335660a346634643566363264613837643638
62623130386631346434616363396561663330346137366663643538643137323134316361333162
6539633731313138340a353030613336313734653430623662616435303462616165373930393539
38306264333362393338323765623431636663613561323332366432353236363765643334393336
66386630353130623861326438663866373533323935653332623263666134636531326230356639
356637633234386166633536396164633830
"""

# ansible-vault encrypt_string --vault-id lab@FILE
STRING = """\
$ANSIBLE_VAULT;1.2;AES256;lab
39363436303565346532643433643261643838633333613439623766343537303835323231643361
6633306631666435376661623732666261623765613930640a633062613931336163373764366435
63306366613766333636313764653437323565643562666639353337386364363663366332396363
6234306361393136660a666565386235353063303132653565356461373861393564363936333665
63333361643731663736303661356361323066353735396139376465653562393564
"""


def _inset(text: str, by: int) -> str:
    return "".join(" " * by + line for line in text.splitlines(keepends=True))


@pytest.fixture
def seal() -> Callable[[bytes], str]:
    """An envelope, by Ansible's documentation of the format."""

    def sealed(plain: bytes) -> str:
        salt = os.urandom(32)
        keys = hashlib.pbkdf2_hmac("sha256", b"Tr0ub4dor&3", salt, 10_000, 80)
        padder = PKCS7(128).padder()
        encryptor = Cipher(algorithms.AES(keys[:32]), modes.CTR(keys[64:])).encryptor()
        closed = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
        mac = hmac.new(keys[32:64], closed, hashlib.sha256).hexdigest().encode()
        body = hexlify(b"\n".join([hexlify(salt), mac, hexlify(closed)])).decode()
        lines = [body[at : at + 80] for at in range(0, len(body), 80)]
        return "\n".join(["$ANSIBLE_VAULT;1.1;AES256", *lines, ""])

    return sealed


def test_ansibles_own_envelopes() -> None:
    assert "s3cr3t-from-real-vault" in vault.decrypt(FILE, PASSWORD, "x")
    assert vault.decrypt(STRING, PASSWORD, "x") == "one-string-of-real-vault"


def test_our_envelopes(seal: Callable[[bytes], str]) -> None:
    assert vault.decrypt(seal("übergeheim\n".encode()), PASSWORD, "x") == "übergeheim\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (FILE.replace("1.1", "1.0"), "unknown vault format"),
        (FILE.replace("AES256", "AES"), "unknown vault format"),
        ("$ANSIBLE_VAULT;1.1\n00", "unknown vault format"),
        (FILE[:-20], "damaged|changed"),
        ("$ANSIBLE_VAULT;1.1;AES256\nzz", "damaged"),
        ("$ANSIBLE_VAULT;1.1;AES256\n", "damaged"),
        (FILE.replace("356637", "356638"), "wrong vault password, or the vault was changed"),
    ],
)
def test_damaged_envelopes(text: str, message: str) -> None:
    with pytest.raises(SecretError, match=message):
        vault.decrypt(text, PASSWORD, "x")


def test_no_password_wrong_password_and_no_text(seal: Callable[[bytes], str]) -> None:
    with pytest.raises(SecretError, match="no vault password was given"):
        vault.decrypt(FILE, None, "x")
    with pytest.raises(SecretError, match="wrong vault password"):
        vault.decrypt(FILE, secrets.inline("other", "test"), "x")
    with pytest.raises(SecretError, match="no UTF-8 text"):
        vault.decrypt(seal(b"\xff\xfe"), PASSWORD, "x")


def test_a_vault_in_a_file_of_variables(tmp_path: Path) -> None:
    """Ansible's usual way: vars.yml beside vault.yml, with names that point at each other."""
    (tmp_path / "hosts.yml").write_text("all:\n  hosts:\n    PR1:\n")
    folder = tmp_path / "group_vars" / "all"
    folder.mkdir(parents=True)
    (folder / "vars.yml").write_text("sql_password: '{{ db_password }}'\nplain: 1\n")
    (folder / "vault.yml").write_text(FILE)
    values = inventory_reader.load(tmp_path / "hosts.yml", PASSWORD).vars_of("PR1")
    assert values["plain"] == 1
    assert values["sql_password"] == "{{ db_password }}"
    assert isinstance(values["db_password"], Secret)
    assert values["db_password"].reveal() == "s3cr3t-from-real-vault"
    assert values["port"].reveal() == "4711"
    assert values["flag"] is True
    with pytest.raises(SecretError) as caught:
        inventory_reader.load(tmp_path / "hosts.yml")
    assert caught.value.origin is not None
    assert caught.value.origin.file == str(folder / "vault.yml")


def test_connection_variables_in_a_vault_stay_readable(tmp_path: Path, seal: Callable[[bytes], str]) -> None:
    (tmp_path / "hosts.yml").write_text(
        seal(
            b"all:\n  hosts:\n    s1: {site_code: 001, ansible_user: lab, ansible_password: 0815, x: {deep: [1, two]}}\n"
        )
    )
    found = inventory_reader.load(tmp_path / "hosts.yml", PASSWORD)
    values = found.vars_of("s1")
    assert (values["site_code"], values["ansible_user"]) == ("001", "lab")
    assert values["ansible_password"].reveal() == "0815"
    assert [one.reveal() for one in values["x"]["deep"]] == ["1", "two"]
    assert found.sites["001"].host == "s1"


def test_a_vaulted_value(tmp_path: Path) -> None:
    file = tmp_path / "x.yml"
    file.write_text("a:\n  ansible_password: !vault |\n" + _inset(STRING, 4))
    secret = yaml_file.load(file, vault_password=PASSWORD).value["a"]["ansible_password"]
    assert secret.reveal() == "one-string-of-real-vault"
    assert str(secret) == f"<secret vault:{file}:2:21>"
    with pytest.raises(SecretError, match="no vault password"):
        yaml_file.load(file).value["a"]["ansible_password"].reveal()


def test_an_error_inside_a_vault_shows_no_line_of_it(tmp_path: Path, seal: Callable[[bytes], str]) -> None:
    file = tmp_path / "x.yml"
    file.write_text(seal(b"a: hunter2\na: hunter2\n"))
    with pytest.raises(Exception, match="is defined twice here") as caught:
        yaml_file.load(file, vault_password=PASSWORD)
    assert "hunter2" not in caught.value.render()  # type: ignore[attr-defined]  # every error of ours renders
    assert f"{file}:2:1" in caught.value.render()  # type: ignore[attr-defined]  # as above


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("sql_password", 5, True),
        ("api_password", "x", True),
        ("ApiPassword2", "x", True),
        ("db_pass", "x", True),
        ("TOKEN", "x", True),
        ("client-secret", "x", True),
        ("password_file", "/etc/x", False),
        ("compass", "north", False),
        ("passes", "3", False),
        ("tokens_left", "3", False),
        ("password_length", 12, False),
        ("password_age", ["a"], False),
    ],
)
def test_names_that_say_so(name: str, value: object, secret: bool) -> None:
    assert secrets.named(name, value) is secret
