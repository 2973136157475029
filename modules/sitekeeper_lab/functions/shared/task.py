"""What the twins of the functions for the site's own backup task share."""

from __future__ import annotations

import re

from sitekeeper_lab.functions.shared.twin import Call, thrown

DESTINATION = re.compile(r'[A-Za-z]:\\[^/*?"<>|:]+', re.IGNORECASE)
SITE = re.compile(r"[A-Z0-9]{3}")
UP = re.compile(r"(^|\\)\.\.(\\|$)")


def is_destination(text: str) -> bool:
    """Whether it is an absolute path of a drive, and plain."""
    return DESTINATION.fullmatch(text) is not None and UP.search(text) is None


def is_folder(call: Call, path: str) -> bool:
    """``IO.Directory::Exists``."""
    return call.host.exists(path) and call.host.files.resolve(path).is_dir()


def move(call: Call, source: str, target: str) -> None:
    """``IO.Directory::Move`` and ``IO.File::Move`` within a folder."""
    host = call.host
    with host.io_lock:
        real = host.files.resolve(source)
        real.rename(host.files.resolve(target.rpartition("\\")[0]) / target.rpartition("\\")[2])
        host.audit.write("change", host.name, kind="folder", what=source, to=target)


def refuse_links(call: Call, *paths: str) -> None:
    """``throw 'SkLinkInPath'`` where one is a link."""
    for path in paths:
        if is_folder(call, path) and call.host.files.resolve(path).is_symlink():
            raise thrown("SkLinkInPath")
