"""The accounts that may log on to a server, and the form in which pyspnego's acceptor reads them.

pyspnego takes accounts only from the file named by the environment variable NTLM_USER_FILE, and GSSAPI the keys of a
Kerberos service from the one that KRB5_KTNAME names. Every server has an accounts file of its own, in memory, and both
variables are set for the moment of a login step, under a lock of the process.
"""

from __future__ import annotations

import hmac
import importlib.util
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_ENVIRONMENT: Final = threading.Lock()


@dataclass(frozen=True, slots=True)
class Account:
    r"""A user who may log on. A client may say ``DOMAIN\user``, ``user@domain`` or ``user`` alone."""

    domain: str
    """NetBIOS name of the domain, or the machine's name for a local user."""
    user: str
    password: str = field(repr=False)
    dns_domain: str = ""
    """The domain's other name, as in ``user@lab.example``."""
    thumbprint: str | None = None
    """SHA-256 of a client certificate in DER, hex, that logs on as this user."""

    def __post_init__(self) -> None:
        """Refuse what the acceptor's file cannot hold."""
        if any(mark in part for part in (self.domain, self.dns_domain, self.user, self.password) for mark in ":\r\n"):
            raise ValueError(f"account {self.name}: no colon or line break in domain, user or password")

    @property
    def name(self) -> str:
        r"""``DOMAIN\user``, as a shell's Owner."""
        return f"{self.domain}\\{self.user}" if self.domain else self.user


class Accounts:
    """All accounts of one server.

    Raises:
        ValueError: there is a keytab, but the packages that read it are not installed.

    """

    def __init__(self, accounts: Iterable[Account], keytab: Path | None = None) -> None:
        if keytab is not None and not all(map(importlib.util.find_spec, ("gssapi", "krb5"))):
            raise ValueError(f"{keytab}: Kerberos needs the packages gssapi and krb5")
        self._accounts = tuple(accounts)
        self._file = os.memfd_create("lab-accounts")
        lines = [
            f"{domain}:{user}:{account.password}\n"
            for account in self._accounts
            for domain, user in self._spellings(account)
        ]
        # a user without a domain may be in several domains: the first one listed wins, as in the search below
        os.write(self._file, "".join(lines).encode("utf-8"))
        self._variables = {"NTLM_USER_FILE": f"/proc/self/fd/{self._file}"}
        # Never taken out of the environment again: whoever goes over all variables meanwhile (urllib, for proxies) would
        # find one that is gone. An empty one is none to pyspnego.
        os.environ.setdefault("NTLM_USER_FILE", "")
        if keytab is not None:
            self._variables["KRB5_KTNAME"] = str(keytab.absolute())

    @staticmethod
    def _spellings(account: Account) -> list[tuple[str, str]]:
        user = account.user
        spellings = [(account.domain, user), ("", user), (".", user), ("", f"{user}@{account.domain}")]
        if account.dns_domain:
            spellings += [(account.dns_domain, user), ("", f"{user}@{account.dns_domain}")]
        return spellings

    def find(self, name: str) -> Account | None:
        """The account that a client's spelling of a user name means."""
        domain, slash, user = name.rpartition("\\")
        wanted = (domain.lower() if slash else "", user.lower())
        for account in self._accounts:
            if any((d.lower(), u.lower()) == wanted for d, u in self._spellings(account)):
                return account
        return None

    def check(self, name: str, password: str) -> Account | None:
        """The account, if the password is right (Basic)."""
        account = self.find(name)
        if account and hmac.compare_digest(account.password.encode(), password.encode()):
            return account
        return None

    def by_certificate(self, thumbprint: str) -> Account | None:
        """The account that a client certificate is mapped to."""
        return next((each for each in self._accounts if each.thumbprint and each.thumbprint == thumbprint), None)

    @contextmanager
    def lent_to_the_acceptor(self) -> Iterator[None]:
        """Let the acceptors of pyspnego and GSSAPI, in this block, read this server's accounts and keys."""
        with _ENVIRONMENT:
            before = {name: os.environ.get(name) for name in self._variables}
            os.environ.update(self._variables)
            try:
                yield
            finally:
                for name, value in before.items():
                    if value is None:
                        del os.environ[name]
                    else:
                        os.environ[name] = value

    def close(self) -> None:
        """Forget the file."""
        os.close(self._file)
