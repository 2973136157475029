"""Ansible Vault, format 1.1 and 1.2: read only.

Source: Ansible documentation, "Ansible Vault payload format 1.1 - 1.2": hex of salt, HMAC and ciphertext; PBKDF2-HMAC-SHA256,
10,000 rounds, 80 bytes: AES key, HMAC key, counter; AES-256-CTR with PKCS#7 padding.
"""

from __future__ import annotations

import hashlib
import hmac
from binascii import Error as HexError
from binascii import unhexlify
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from sitekeeper.engine.errors import SecretError

if TYPE_CHECKING:
    from sitekeeper.engine.secrets import Secret

HEADER = "$ANSIBLE_VAULT;"


def is_vault(text: str) -> bool:
    """Whether a text is an Ansible Vault envelope."""
    return text.lstrip().startswith(HEADER)


def decrypt(text: str, password: Secret | None, what: str) -> str:
    """The plain text of an envelope.

    Raises:
        SecretError: no vault password was given, it is the wrong one, or the envelope is damaged.

    """
    if password is None:
        raise SecretError(
            f"{what} is an Ansible Vault, and no vault password was given",
            hint="--vault-password-file FILE, or the environment variable SITEKEEPER_VAULT_PASSWORD",
        )
    header, _, body = text.strip().partition("\n")
    fields = header.split(";")
    if len(fields) < 3 or fields[1] not in {"1.1", "1.2"} or fields[2].strip() != "AES256":
        raise SecretError(f"{what}: unknown vault format {header!r}")
    try:
        salt, mac, cipher_text = (unhexlify(part) for part in unhexlify("".join(body.split())).split(b"\n", 2))
    except (HexError, ValueError):
        raise SecretError(f"{what}: the vault envelope is damaged") from None
    keys = hashlib.pbkdf2_hmac("sha256", password.reveal().encode(), salt, 10_000, 80)
    if not hmac.compare_digest(hmac.new(keys[32:64], cipher_text, hashlib.sha256).digest(), mac):
        raise SecretError(f"{what}: wrong vault password, or the vault was changed")
    decryptor = Cipher(algorithms.AES(keys[:32]), modes.CTR(keys[64:])).decryptor()
    unpadder = PKCS7(128).unpadder()
    padded = decryptor.update(cipher_text) + decryptor.finalize()
    try:
        return (unpadder.update(padded) + unpadder.finalize()).decode()
    except ValueError:
        raise SecretError(f"{what}: the vault holds no UTF-8 text") from None
