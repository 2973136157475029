"""A Kerberos realm of its own: a real KDC (MIT's, as Debian packages it) on loopback, everything in one folder."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

REALM = "LAB.EXAMPLE"
PROGRAMS = ("krb5kdc", "kdb5_util", "kadmin.local", "kinit", "klist", "kdestroy")
_FOLDERS = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))  # where Debian puts a KDC
_START_SECONDS = 20.0

_KRB5 = """
[libdefaults]
    default_realm = {realm}
    dns_lookup_realm = false
    dns_lookup_kdc = false
    dns_canonicalize_hostname = false
    rdns = false
    udp_preference_limit = 1
    qualify_shortname = ""
[realms]
    {realm} = {{
        kdc = 127.0.0.1:{port}
    }}
[domain_realm]
    .lab.example = {realm}
    lab.example = {realm}
"""
_KDC = """
[kdcdefaults]
    kdc_listen = ""
    kdc_tcp_listen = 127.0.0.1:{port}
[realms]
    {realm} = {{
        database_name = {folder}/principal
        key_stash_file = {folder}/stash
        acl_file = {folder}/kadm5.acl
        max_life = 1h
    }}
[logging]
    kdc = FILE:{folder}/kdc.log
"""


def missing() -> str | None:
    """The first program of a KDC that is not installed."""
    return next((name for name in PROGRAMS if shutil.which(name, path=_FOLDERS) is None), None)


class Realm:
    """``with Realm(folder) as realm:`` serves it until the block ends; no file outside the folder is read or written.

    Attributes:
        environment: what every program that shall use this realm needs in its environment.

    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        names = {"realm": REALM, "port": self.port, "folder": folder}
        (folder / "krb5.conf").write_text(_KRB5.format(**names))
        (folder / "kdc.conf").write_text(_KDC.format(**names))
        self.environment = {
            "KRB5_CONFIG": str(folder / "krb5.conf"),
            "KRB5_KDC_PROFILE": str(folder / "kdc.conf"),
            "KRB5CCNAME": f"FILE:{folder / 'no-ticket'}",
            "KRB5RCACHENAME": "none:",
        }
        self._kdc: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.run("kdb5_util", "create", "-s", "-r", REALM, "-P", "a realm that exists nowhere")
        log = (self.folder / "kdc.out").open("wb")
        with log:
            self._kdc = subprocess.Popen(
                [self._path("krb5kdc"), "-n"], env=os.environ | self.environment, stdout=log, stderr=log
            )
        until = time.monotonic() + _START_SECONDS
        while not self._listens():
            if self._kdc.poll() is not None or time.monotonic() > until:
                self.__exit__()
                raise RuntimeError(f"the KDC does not serve: {(self.folder / 'kdc.out').read_text()}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        if self._kdc is not None:
            self._kdc.terminate()
            self._kdc.wait(10)

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    @staticmethod
    def _path(program: str) -> str:
        found = shutil.which(program, path=_FOLDERS)
        assert found is not None, program
        return found

    def run(self, program: str, *arguments: str, given: str = "", ccache: Path | None = None) -> str:
        """Run a program of Kerberos in this realm; answers what it printed."""
        environment = os.environ | self.environment
        if ccache is not None:
            environment["KRB5CCNAME"] = f"FILE:{ccache}"
        done = subprocess.run(
            [self._path(program), *arguments],
            env=environment,
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def add_user(self, name: str, password: str) -> None:
        """A user with a password."""
        self.run("kadmin.local", "-r", REALM, "addprinc", "-pw", password, f"{name}@{REALM}")

    def add_service(self, keytab: Path, *names: str) -> None:
        """Services (``HTTP/host``) with random keys, which go into the keytab."""
        for name in names:
            self.run("kadmin.local", "-r", REALM, "addprinc", "-randkey", f"{name}@{REALM}")
            self.run("kadmin.local", "-r", REALM, "ktadd", "-k", str(keytab), f"{name}@{REALM}")

    def kinit(self, user: str, password: str) -> Path:
        """A ticket for a user, in a cache of its own."""
        ccache = self.folder / f"ticket-of-{user}"
        self.run("kinit", f"{user}@{REALM}", given=f"{password}\n", ccache=ccache)
        return ccache

    @contextlib.contextmanager
    def here(self) -> Iterator[None]:
        """This process is in the realm, without a ticket."""
        before = {name: os.environ.get(name) for name in self.environment}
        os.environ.update(self.environment)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
