"""The twin of Export-SkRegistry.ps1."""

from __future__ import annotations

from collections.abc import Iterator

from sitekeeper_lab.engines.api import PsObject
from sitekeeper_lab.functions.shared.twin import Call, PSInt64, custom, run_tool, text, thrown, twin, written_error

SHA256 = "d1dcde0509aa3d0ef30e1e2b6d1e502a2773de7c3def8ed7f81b9cbce3faedd3"


_WRITE_ERROR = 23


def run(call: Call) -> Iterator[PsObject]:
    """Exports SMS or NAL, in one view, into the run's work folder."""
    name, view = text(call, "Name"), text(call, "View")
    if name not in {"SMS", "NAL"}:
        raise thrown("SkInvalidName")
    if view not in {"native", "wow"}:
        raise thrown("SkInvalidView")
    branch = ("SOFTWARE\\Wow6432Node\\Microsoft\\" if view == "wow" else "SOFTWARE\\Microsoft\\") + name
    host = call.host
    folder = call.one("Get-SkFolder", Drive=text(call, "Drive"), Run=text(call, "Run"), Name="registry")
    call.function("Protect-SkFolder", Drive=text(call, "Drive"))
    host.make_folder(folder)
    file = f"{folder}\\{name.lower()}.{view}.reg"
    if host.exists(file):
        host.delete_file(file)
    if host.registry.key(f"HKLM:\\{branch}") is None:
        yield custom(Name=name, View=view, Found=False, Bytes=PSInt64(0), ExitCode=0)
        return
    said, code = run_tool(call, "reg.exe", "export", f"HKLM\\{branch}", file)
    size = host.files.resolve(file).stat().st_size if host.exists(file) else 0
    if code != 0 or size == 0:
        message = f"reg.exe export HKLM\\{branch} ended with {code}: {' '.join(said)}"
        written_error(call, message, "SkRegistryExport", _WRITE_ERROR, name)
        return
    yield custom(Name=name, View=view, Found=True, Bytes=PSInt64(size), ExitCode=code)


TWIN = twin("Export-SkRegistry", SHA256, run, Drive="string", Run="string", Name="string", View="string")
