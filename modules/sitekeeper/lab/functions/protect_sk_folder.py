"""The twin of Protect-SkFolder.ps1."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sitekeeper.lab.functions._twin import Call, text, thrown, twin

SHA256 = "6b7f4ecc9caf045e4f75616c4c710c6f1296532b7d496f0e4501cdd064351303"


_ONLY_US = re.compile(r"D:P[A-Z]*(\(A;[A-Z]*;FA;;;(SY|BA)\))+\Z", re.IGNORECASE)
_CLOSED = "D:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"


def run(call: Call) -> Iterator[object]:
    """Makes the work root, closed to others; refuses one that is open."""
    root = call.one("Get-SkFolder", Drive=text(call, "Drive"))
    if call.host.exists(root):
        if not _ONLY_US.match(call.host.acl(root) or ""):
            raise thrown("SkFolderOpenToOthers")
        return
    call.host.make_folder(root)
    call.host.set_acl(root, _CLOSED)
    yield from ()


TWIN = twin("Protect-SkFolder", SHA256, run, Drive="string")
