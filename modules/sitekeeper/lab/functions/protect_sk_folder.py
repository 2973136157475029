"""The twin of Protect-SkFolder.ps1."""

from __future__ import annotations

from collections.abc import Iterator

from sitekeeper.lab.functions._twin import Call, text, thrown, twin

SHA256 = "d362be4e1655a411500cba1ea8cac8b6cbefe53d1fb676e3741dcf4716664652"


_CLOSED = "D:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"


def run(call: Call) -> Iterator[object]:
    """Makes the work root, closed to others; refuses one that is open."""
    root = call.function("Get-SkFolder", Drive=text(call, "Drive"))[0]
    if call.host.exists(root):
        if call.host.acl(root) != _CLOSED:
            raise thrown("SkFolderOpenToOthers")
        return
    call.host.make_folder(root)
    call.host.set_acl(root, _CLOSED)
    yield from ()


TWIN = twin("Protect-SkFolder", SHA256, run, Drive="string")
