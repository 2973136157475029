"""Names of accounts in Kerberos."""

from __future__ import annotations


def principal_hint(account: str) -> str:
    r"""How to write ``CORP\u`` for Kerberos: ``write u@CORP.EXAMPLE``, with the full name of the realm."""
    domain, _, user = account.rpartition("\\")
    return f"write {user}@{domain.upper()}.EXAMPLE: the full name of the realm, in capital letters"
