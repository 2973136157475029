"""The twin of Protect-SkFolder.ps1."""

from __future__ import annotations

import re
from collections.abc import Iterator

from sitekeeper_lab.functions.shared.twin import Call, text, thrown, twin

SHA256 = "03934888d8acd5977e115006f0847988b9f114f7a54457e8a1dfaf9df1331e56"


_ONLY_US = re.compile(r"D:P[A-Z]*(\(A;[A-Z]*;FA;;;(SY|BA)\))+\Z", re.IGNORECASE)
OUR_OWNER = re.compile(r"O:(SY|BA)\Z", re.IGNORECASE)
_CLOSED = "O:BAD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"


def run(call: Call) -> Iterator[object]:
    """Makes the work root, closed to others; refuses one that is open."""
    root = call.one("Get-SkFolder", Drive=text(call, "Drive"))
    if call.host.exists(root):
        if not OUR_OWNER.match(call.host.owner(root)) or not _ONLY_US.match(call.host.acl(root) or ""):
            raise thrown("SkFolderOpenToOthers")
        return
    call.host.make_folder(root)
    call.host.set_acl(root, _CLOSED)
    yield from ()


TWIN = twin("Protect-SkFolder", SHA256, run, Drive="string")
