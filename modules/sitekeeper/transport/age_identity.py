"""The secret key that opens sealed sets: an age identity file, or a Secret with its text. Only this file handles it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyrage

from sitekeeper.engine.errors import SecretError
from sitekeeper.engine.secrets import Secret

MARK = "AGE-SECRET-KEY-"


class Keys:
    """Opens files that were sealed for one of these identities; never shows the identities."""

    __slots__ = ("_identities", "reference")

    def __init__(self, reference: str, identities: tuple[Any, ...]) -> None:
        self.reference = reference
        self._identities = identities

    def __repr__(self) -> str:
        return f"<keys {self.reference}>"

    def reader(self) -> Callable[[Any, Any], None]:
        """A function that decrypts from one file object into another.

        It raises ``pyrage.DecryptError`` if no key fits or the header is damaged, ``OSError`` if a later byte is.
        """
        return lambda source, target: pyrage.decrypt_io(source, target, list(self._identities))


def keys_of(given: object) -> Keys | None:
    """Read keys from ``--identity`` or the variable ``store_identity``: the path of an identity file, or a Secret.

    Raises:
        SecretError: it cannot be read, others can read it, or it contains no key.

    """
    if given is None:
        return None
    if isinstance(given, Secret):
        return _parse(given.reference, given.reveal())
    text = str(given)
    if MARK in text.upper():
        raise SecretError(
            "store_identity contains the key itself", hint="write it as a vault, or give the path of the identity file"
        )
    file = Path(text).expanduser()
    try:
        if file.stat().st_mode & 0o077:
            raise SecretError(f"other users can read identity file {file}", hint=f"chmod 600 {file}")
        return _parse(f"file:{file}", file.read_text(encoding="ascii"))
    except OSError as error:
        raise SecretError(f"identity file {file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SecretError(
            f"identity file {file} is not a text file", hint="if it has a passphrase, decrypt it with `age -d` first"
        ) from None


def _parse(reference: str, text: str) -> Keys:
    """Read the form that ``age-keygen`` writes: every line is a key, except empty lines and those that start with ``#``."""
    lines = [line.strip() for line in text.splitlines()]
    found = []
    for line in lines:
        if not line or line.startswith("#"):
            continue
        try:
            found.append(pyrage.x25519.Identity.from_str(line))
        except pyrage.IdentityError:
            raise SecretError(f"{reference}: a line is not an age identity ({MARK}...)") from None
    if not found:
        raise SecretError(f"{reference} contains no age identity")
    return Keys(reference, tuple(found))
