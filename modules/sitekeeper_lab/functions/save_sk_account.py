"""The twin of Save-SkAccount.ps1."""

from __future__ import annotations

from collections.abc import Iterator

from sitekeeper_lab.functions.shared.twin import Call, text, thrown, twin, value_of

SHA256 = "0fa8eed8d7ae4665bb1415af7b3e130c0fd1679777660b6be0e43d48592c5970"


def run(call: Call) -> Iterator[str]:
    """Copies the srvacct folder of the site that is installed here."""
    drive, run_id, host = text(call, "Drive"), text(call, "Run"), call.host
    if not run_id:
        raise thrown("SkInvalidRun")
    install = ""
    for view in ("native", "wow"):
        for setup in call.function("Read-SkKey", Name="Setup", View=view):
            if not install and "Installation Directory" in setup.extended:
                install = str(value_of(setup, "Installation Directory"))
    folder = f"{install}\\srvacct"
    if not install or not host.exists(folder):
        return
    call.function("Protect-SkFolder", Drive=drive)
    to = call.one("Get-SkFolder", Drive=drive, Run=run_id, Name="srvacct")
    host.make_folder(to)
    for file in sorted(host.files.resolve(folder).iterdir(), key=lambda one: one.name.upper()):
        if file.is_file():
            if not host.exists(f"{to}\\{file.name}"):
                host.write(f"{to}\\{file.name}", file.read_bytes())
            yield file.name


TWIN = twin("Save-SkAccount", SHA256, run, Drive="string", Run="string")
