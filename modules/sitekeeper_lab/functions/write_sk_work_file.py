"""The twin of Write-SkWorkFile.ps1."""

from __future__ import annotations

from collections.abc import Iterator

from sitekeeper_lab.functions.shared.twin import Call, PSInt64, method_failed, number, text, thrown, twin
from sitekeeper_lab.functions.shared.work import folder_of, real

SHA256 = "573b5801c0cdaca692971b6d18e144e4f69aaac65c5179a332c6d995d1ef513c"


def run(call: Call) -> Iterator[PSInt64]:
    """Writes bytes at an offset and ends the file behind them; answers its length."""
    run_id, name, offset = text(call, "Run"), text(call, "Name"), number(call, "Offset")
    if not run_id or not name:
        raise thrown("SkInvalidName")
    folder, path = folder_of(call, run_id), folder_of(call, run_id, name)
    data = bytes(call.bound.values.get("Data") or b"")
    host = call.host
    host.make_folder(folder)
    with host.io_lock:
        file = real(call, path)
        file.touch()
        if not 0 <= offset <= file.stat().st_size:
            raise thrown("SkInvalidOffset")
        with file.open("r+b") as stream:
            stream.truncate(offset)
            stream.seek(offset)
            if data and host.faults.take("disk_full", volume=path[:2]):
                message = "There is not enough space on the disk."
                raise method_failed(call, "Write", 3, "IOException", message)
            stream.write(data)
        host.wrote(path, len(data))
    host.audit.write("change", host.name, kind="file", what=path, to=f"{offset} + {len(data)}")
    yield PSInt64(offset + len(data))


TWIN = twin("Write-SkWorkFile", SHA256, run, Root="string", Run="string", Name="string", Offset="long", Data="byte[]")
