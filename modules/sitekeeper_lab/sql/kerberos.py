"""The server's half of a Kerberos login, as LOGIN7 carries it: GSSAPI with the keys of a keytab."""

from __future__ import annotations

from pathlib import Path


def accept(keytab: Path, token: bytes) -> tuple[bytes, str] | None:
    """Judge a client's one token: our answer to it and the user (``user@REALM``), or None when it is not good.

    A ticket is judged in one step; whoever wants to bargain about mechanisms first is not answered.
    """
    # Imported here: they are there only where a lab has a keytab.
    import gssapi  # noqa: PLC0415  # as above
    from gssapi.raw import GSSError  # noqa: PLC0415  # as above

    try:
        keys = gssapi.Credentials(usage="accept", store={"keytab": str(keytab.absolute())})
        context = gssapi.SecurityContext(creds=keys, usage="accept")
        answer = context.step(token)
    except GSSError:
        return None
    if not context.complete:
        return None
    return answer or b"", str(context.initiator_name).rstrip("\0")
