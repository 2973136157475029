"""Names from a Windows host as names in the store: never outside the set's folder, never two for one.

The manifest keeps the original; a name is changed only where the store's file system could not hold it as it is.
"""

from __future__ import annotations

import hashlib

from sitekeeper.engine.errors import IntegrityError

LONGEST = 255
"""Bytes of one name on Linux file systems; 255 UTF-16 units of Windows can be three times as many."""


def make_stored_name(name: str) -> str:
    """One component of a path, as it is or, where it cannot be, as ``_sk_`` and a hash."""
    try:
        encoded = name.encode()
    except UnicodeEncodeError:  # half a surrogate pair: legal on NTFS, not in UTF-8
        encoded = name.encode("utf-8", "surrogatepass")
        return _hash_name(encoded)
    unsafe = name in {"", ".", ".."} or "/" in name or "\0" in name or name.startswith("_sk_") or len(encoded) > LONGEST
    return _hash_name(encoded) if unsafe else name


def _hash_name(encoded: bytes) -> str:
    return f"_sk_{hashlib.sha256(encoded).hexdigest()[:32]}"


def relative_to(folder: str, path: str) -> str:
    """A path of a listing, relative to the folder that was listed; Windows does not tell case apart.

    Raises:
        IntegrityError: it does not lie there, which no honest host answers.

    """
    if not folder:
        return path
    if path.lower() == folder.lower():
        return ""
    if not path.lower().startswith(folder.lower() + "\\"):
        raise IntegrityError(f"the host returned a path outside the folder {folder!r}: {path!r}")
    return path[len(folder) + 1 :]


def make_stored_path(folder: str, windows_path: str) -> str:
    """A path below the set's folder for a path relative to a Windows folder.

    Raises:
        IntegrityError: the path goes upwards or is absolute, which no honest host answers.

    """
    parts = windows_path.split("\\") if windows_path else []
    if any(part == ".." for part in parts) or windows_path.startswith("\\") or windows_path[1:2] == ":":
        raise IntegrityError(f"the host returned a path outside the folder: {windows_path!r}")
    return "/".join([folder, *(make_stored_name(part) for part in parts)])
