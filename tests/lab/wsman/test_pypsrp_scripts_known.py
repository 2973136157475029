from __future__ import annotations

import hashlib
import importlib.metadata
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from pypsrp._utils import get_pwsh_script
from pypsrp.client import Client
from pypsrp.exceptions import WinRMError

from sitekeeper_lab.engines.api import Command
from sitekeeper_lab.wsman import pypsrp_scripts as scripts

from .conftest import MakeHost


class _Files:
    """Windows paths under a folder: C:\\x is folder/x."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _real(self, path: str) -> Path:
        return self.folder / path.removeprefix("C:\\").replace("\\", "/")

    def full_path(self, path: str) -> str:
        return path if path.startswith("C:\\") else "C:\\" + path

    def expand(self, path: str) -> str:
        return path.replace("%TEMP%", "C:\\temp")

    def is_folder(self, path: str) -> bool:
        return self._real(path).is_dir()

    def is_file(self, path: str) -> bool:
        return self._real(path).is_file()

    def open_read(self, path: str) -> BinaryIO:
        return self._real(path).open("rb")

    def open_write(self, path: str) -> BinaryIO:
        return self._real(path).open("wb")


def test_the_hashes_are_those_of_the_installed_pypsrp() -> None:
    assert importlib.metadata.version("pypsrp") == "0.9.1"
    for name, known in (("fetch.ps1", scripts.FETCH_SHA256), ("copy.ps1", scripts.COPY_SHA256)):
        text = get_pwsh_script(name)
        assert hashlib.sha256(text.encode()).hexdigest() == known
        assert scripts.known_script(Command(text, is_script=True)) == name.removesuffix(".ps1")
        assert scripts.known_script(Command(text)) is None
        assert scripts.known_script(Command(text + " ", is_script=True)) is None


@pytest.fixture
def client(make_host: MakeHost, tmp_path: Path) -> Any:
    host = make_host()
    files = _Files(tmp_path / "windows")
    (files.folder / "temp").mkdir(parents=True)

    def run(call: Any) -> None:
        kind = scripts.known_script(call.command)
        if kind == "fetch":
            output = scripts.fetch(files, call.command)
        else:
            assert kind == "copy"
            output = scripts.copy(files, call.command, call.pipeline.input)
        for each in output:
            call.sink.output(each)

    for name in ("fetch.ps1", "copy.ps1"):
        host.engine.cmdlets[get_pwsh_script(name)] = run
    wsman = host.client()
    with Client("", username="", password="", ssl=False, auth="ntlm") as client:
        client.wsman = wsman
        yield client


@pytest.mark.parametrize("size", [0, 10, 3_000_000])
def test_pypsrp_copies_and_fetches(client: Client, tmp_path: Path, size: int) -> None:
    data = bytes(range(256)) * (size // 256) + b"\r\n" * (size % 2)
    (tmp_path / "source").write_bytes(data)
    assert client.copy(str(tmp_path / "source"), "%TEMP%\\there", expand_variables=True) == "C:\\temp\\there"
    assert (tmp_path / "windows/temp/there").read_bytes() == data
    if data:  # for an empty file pypsrp takes the hash for the content: its own mistake
        client.fetch("C:\\temp\\there", str(tmp_path / "back"))
        assert (tmp_path / "back").read_bytes() == data


def test_the_recorded_refusals(client: Client, tmp_path: Path) -> None:
    with pytest.raises(WinRMError, match=r"The path at 'C:\\fakefile.txt' does not exist"):
        client.fetch("C:\\fakefile.txt", str(tmp_path / "back"))
    with pytest.raises(WinRMError, match=r"The path at 'C:\\temp' is a directory, src must be a file"):
        client.fetch("C:\\temp", str(tmp_path / "back"))
