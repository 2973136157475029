"""Secrets are a type: a reference that only the transport turns into its value, at the last moment.

A Secret can be passed on, put into a text or through a filter (the answer is a Secret again), but nothing that prints,
logs, compares or stores it ever sees the value. The journal keeps ``reference``.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from sitekeeper.engine.errors import SecretError

SECRET_VARIABLES = frozenset(
    {
        "ansible_password",
        "ansible_pass",
        "ansible_ssh_pass",
        "ansible_ssh_password",
        "ansible_winrm_pass",
        "ansible_winrm_password",
        "ansible_psrp_pass",
        "ansible_psrp_password",
        "ansible_psrp_certificate_key_password",
        "ansible_become_password",
        "ansible_become_pass",
        "sql_password",
    }
)
"""Variables whose plain value is taken for a secret, wherever it stands."""
_SOUNDS_SECRET = re.compile(
    r"(?:password|passwd|passphrase|(?:^|[_-])(?:pass|pwd|secret|token)(?=[_-]|$))(?!.*(?:_file|_path)$)", re.IGNORECASE
)


def named(name: str, value: Any) -> bool:
    """Whether a variable's plain value is taken for a secret: one of ours, or a text under a name that says so.

    A ``..._file`` or ``..._path`` says where the secret is, and is none.
    """
    return name in SECRET_VARIABLES or (isinstance(value, str) and _SOUNDS_SECRET.search(name) is not None)


class Secret:
    """A value that is never shown. ``reference`` says where it comes from (``env:NAME``, ``vault:FILE:LINE`` ...)."""

    __slots__ = ("_resolve", "reference")

    def __init__(self, reference: str, resolve: Callable[[], str]) -> None:
        self.reference = reference
        self._resolve = resolve

    def reveal(self) -> str:
        """The value. Only ``sitekeeper.transport`` may call this.

        Raises:
            SecretError: it cannot be had; the message names the reference.

        """
        return self._resolve()

    def __str__(self) -> str:
        return f"<secret {self.reference}>"

    __repr__ = __str__

    def __format__(self, _spec: str) -> str:
        return str(self)

    def __add__(self, other: object) -> Secret:
        return combine([self, other])

    def __radd__(self, other: object) -> Secret:
        return combine([other, self])

    def __reduce__(self) -> NoReturn:
        raise SecretError(f"{self} cannot be written anywhere")


def combine(parts: list[object]) -> Secret:
    """One Secret from texts and Secrets, joined when it is revealed."""
    names = [part.reference for part in parts if isinstance(part, Secret)]

    def joined() -> str:
        return "".join(part.reveal() if isinstance(part, Secret) else str(part) for part in parts)

    return Secret("+".join(names), joined)


def derive(filter_name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Secret:
    """What a filter makes of a Secret: a Secret again, computed when it is revealed."""
    names = sorted({secret.reference for secret in find([*args, *kwargs.values()])})

    def resolved() -> str:
        value = function(*[_open(arg) for arg in args], **{k: _open(v) for k, v in kwargs.items()})
        if not isinstance(value, str | int | float):
            raise SecretError(
                f"`{filter_name}` does not return text for a secret", hint="use the secret without a filter"
            )
        return str(value)

    return Secret(f"{filter_name}({', '.join(names)})", resolved)


def _open(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, list | tuple):
        return type(value)(_open(one) for one in value)
    if isinstance(value, dict):  # not any Mapping: Jinja's context is one
        return {key: _open(one) for key, one in value.items()}
    return value


def find(value: Any) -> list[Secret]:
    """All Secrets inside lists and mappings."""
    if isinstance(value, Secret):
        return [value]
    if isinstance(value, list | tuple):
        return [secret for one in value for secret in find(one)]
    if isinstance(value, Mapping):
        return [secret for one in value.values() for secret in find(one)]
    return []


def inline(text: str, place: str) -> Secret:
    """A secret that stands in a file in plain text, known by its place."""
    return Secret(f"inline:{place}", lambda: text)


def from_env(name: str) -> Secret:
    """The environment variable NAME of the control host."""

    def resolve() -> str:
        try:
            return os.environ[name]
        except KeyError:
            raise SecretError(f"environment variable {name} is not set", hint=f"export {name}=...") from None

    return Secret(f"env:{name}", resolve)


def from_file(path: str) -> Secret:
    """The first line of a file on the control host; one that others may read is refused."""

    def resolve() -> str:
        file = Path(path).expanduser()
        try:
            if file.stat().st_mode & 0o077:
                raise SecretError(f"secret file {path} may be read by others", hint=f"chmod 600 {path}")
            text = file.read_text(encoding="utf-8")
        except OSError as error:
            raise SecretError(f"secret file {path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise SecretError(f"secret file {path} is not UTF-8 text") from None
        return text.split("\n", 1)[0].rstrip("\r")

    return Secret(f"file:{path}", resolve)


def from_command(command: str) -> Secret:
    """The first line that a command prints (split as a shell would, run without one)."""

    def resolve() -> str:
        import shlex  # noqa: PLC0415 - only where a command is really used

        try:
            done = subprocess.run(  # noqa: S603 - the operator's own command, from their inventory
                shlex.split(command), capture_output=True, check=False, timeout=60, text=True, stdin=subprocess.DEVNULL
            )
        except (OSError, ValueError, IndexError, subprocess.TimeoutExpired) as error:
            raise SecretError(f"secret command {command!r}: {type(error).__name__}") from None
        if done.returncode != 0:
            raise SecretError(f"secret command {command!r} ended with {done.returncode}")
        return done.stdout.split("\n", 1)[0]

    return Secret(f"command:{command}", resolve)
