"""What a set must hold before it may be published: the site's folders, its registry, its database, and nothing unknown."""

from __future__ import annotations

from pathlib import Path

from sitekeeper.engine.errors import IntegrityError
from sitekeeper.model.site import SiteFacts
from sitekeeper.store.format import manifest_file, reg_file
from sitekeeper.store.keeping import verify

FOLDERS = ("inboxes", "logs", "data", "srvacct")
"""Below the install folder, as ConfigMgr's own backup task copies them."""


def same_on_disk(staging: Path, entries: tuple[manifest_file.Entry, ...], own: frozenset[str]) -> None:
    """Every file that was pulled lies there in its size, and nothing else does.

    Raises:
        IntegrityError: names the file.

    """
    for entry in entries:
        path = staging / entry.file
        if entry.kind == "file" and (path.is_symlink() or not path.is_file() or path.stat().st_size != entry.size):
            raise IntegrityError(f"{entry.file} is not in the staging set as it was pulled")
        if entry.kind == "folder" and not path.is_dir():
            raise IntegrityError(f"the folder {entry.file} is not in the staging set any more")
    stray = next(verify.strays(staging, {entry.file: entry.kind for entry in entries}, own), None)
    if stray is not None:
        raise IntegrityError(f"the staging set contains something that was never pulled: {stray}")


def registry(
    staging: Path, entries: tuple[manifest_file.Entry, ...], site: SiteFacts
) -> tuple[manifest_file.RegistryCount, ...]:
    """The registry exports, parsed and counted.

    Raises:
        IntegrityError: one is cut off, or none is of this site.

    """
    exports = [e.file for e in entries if e.kind == "file" and e.file.startswith("SiteServer/Registry/")]
    parsed = {file: reg_file.parse((staging / file).read_bytes(), file) for file in exports}
    for name in ("SMS", "NAL"):
        if not any(found.root.upper().endswith(f"\\MICROSOFT\\{name}") for found in parsed.values()):
            raise IntegrityError(f"the set of {site.code} lacks the registry export of {name}")
    codes = {found.site_code for found in parsed.values()} - {""}
    if codes != {site.code}:
        raise IntegrityError(
            f"the registry exports are of site {', '.join(sorted(codes)) or 'none'} and not of {site.code}"
        )
    return tuple(
        manifest_file.RegistryCount(file=file, root=found.root, keys=found.keys, values=found.values)
        for file, found in parsed.items()
    )


def has_database(site: SiteFacts, entries: tuple[manifest_file.Entry, ...]) -> bool:
    """Refuse a set that lacks files of the site; answers whether its database is in it.

    Raises:
        IntegrityError: names what is missing.

    """
    files = {entry.file.lower() for entry in entries if entry.kind == "file"}
    folders = {entry.file.lower() for entry in entries if entry.kind == "folder"}
    missing = [name for name in FOLDERS if f"siteserver/smsserver/{name}" not in folders]
    if site.product == "2007" and "siteserver/smsserver/inboxes/sitectrl.box/sitectrl.ct0" not in files:
        missing.append("inboxes\\sitectrl.box\\sitectrl.ct0 (the master site control file)")
    if missing:
        raise IntegrityError(f"the set of {site.code} lacks {', '.join(missing)}")
    if site.database is None:
        return False
    wanted = {file.path.lower() for file in site.database.files}
    if not wanted:
        raise IntegrityError(f"nothing is known of the files of {site.database}")
    have = {
        (entry.source.removeprefix(f"{site.database.host}:") + entry.path).lower()
        for entry in entries
        if entry.file.startswith("SiteDBServer/")
    }
    left = sorted(wanted - have)
    if left and len(left) < len(wanted):
        raise IntegrityError(f"the set of {site.code} lacks database files: {', '.join(left)}")
    return not left


def not_followed(entries: tuple[manifest_file.Entry, ...]) -> tuple[str, ...]:
    """The links of a set, for its list of what is left out."""
    return tuple(
        f"the content behind the link {entry.source}: {entry.path}" for entry in entries if entry.kind == "link"
    )
