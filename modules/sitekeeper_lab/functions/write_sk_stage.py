"""The twin of Write-SkStage.ps1."""

from __future__ import annotations

from collections.abc import Iterator

from sitekeeper_lab.functions.shared.twin import Call, number, text, thrown, twin

SHA256 = "dae2dfed745aa796e8ce4ffc1949457b378a8257cdbce9433b17f0500ffda27b"


def run(call: Call) -> Iterator[int]:
    """Lays files beside a site, several in one call."""
    data = call.bound.values.get("Data") or b""
    root, run_id, host = text(call, "Root"), text(call, "Run"), call.host
    at, skip = 0, number(call, "Offset")
    for entry in call.bound.values.get("Entry") or []:
        size, tab, path = str(entry).partition("\t")
        if not tab or not size:
            raise thrown("SkInvalidEntry")
        length = int(size)
        file = call.one("Get-SkStagePath", Root=root, Run=run_id, Path=path)
        if length < 0:
            host.make_folder(file)
            continue
        if at + length > len(data):
            raise thrown("SkInvalidEntry")
        host.make_folder(file.rpartition("\\")[0])
        before = host.read(file) if host.exists(file) else b""
        if not 0 <= skip <= len(before):
            raise thrown("SkInvalidOffset")
        host.write(file, before[:skip] + bytes(data[at : at + length]))
        at += length
        skip = 0
    if at != len(data):
        raise thrown("SkInvalidEntry")
    yield at


TWIN = twin("Write-SkStage", SHA256, run, Root="string", Run="string", Entry="string[]", Offset="long", Data="byte[]")
