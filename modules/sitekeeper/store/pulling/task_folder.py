"""The folder that ConfigMgr's own backup task wrote: its listing, and whether it holds what its recovery needs.

Layout: TechNet wiki 8524, KB 2387913, Microsoft Learn "Back up a site" and "The CD.Latest folder".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from sitekeeper.engine.session import Context
from sitekeeper.model.site import SiteFacts
from sitekeeper.store.pulling import tree
from sitekeeper.store.pulling.tree import Found

INDEX = -1
"""What names the task's folder to Get-SkTree and Read-SkFile, in place of the number of a shadow copy."""
DUMPS = ("SiteServer\\SMSbkSiteRegSMS.dat", "SiteServer\\SMSbkSiteRegNAL.dat")
FOLDERS = ("inboxes", "logs", "data", "srvacct")
FIRST_CURRENT_BRANCH = 8325
"""Build of version 1511, the first with CD.Latest (Microsoft Learn, "The CD.Latest folder")."""


def list_files(ctx: Context, drive: str) -> list[Found]:
    """Everything in the folder."""
    blocks = ctx.ps.stream("Get-SkTree", Drive=drive, Run=ctx.run_id, Index=INDEX, Path="")
    return list(tree.entries(blocks))


def digest(found: Sequence[Found]) -> str:
    """SHA-256 over names, sizes and times of the files: equal as long as nobody writes there."""
    lines = sorted(f"{one.path}\t{one.size}\t{one.modified}\n" for one in found if one.kind == "file")
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def missing(found: Sequence[Found], database_files: Sequence[str], *, cd_latest: bool) -> list[str]:
    """What a recovery needs and is not there, or is empty."""
    files = {one.path.lower(): one.size for one in found if one.kind == "file"}
    folders = {one.path.lower() for one in found if one.kind == "folder"}
    return [
        wanted
        for wanted, whole in _is_wanted(database_files, cd_latest=cd_latest)
        if (wanted.lower() not in folders if whole else not files.get(wanted.lower()))
    ]


def _is_wanted(database_files: Sequence[str], *, cd_latest: bool) -> Iterator[tuple[str, bool]]:
    """Paths, and whether each is a folder."""
    for name in DUMPS:
        yield name, False
    for name in FOLDERS:
        yield f"SiteServer\\SMSServer\\{name}", True
    for name in database_files:
        yield f"SiteDBServer\\{name}", False
    if cd_latest:
        yield "CD.Latest", True


def needs_cd_latest(site: SiteFacts) -> bool:
    """Whether a recovery of this version needs CD.Latest."""
    return site.product == "2012" and _build(site.version) >= FIRST_CURRENT_BRANCH


def _build(version: str) -> int:
    parts = version.split(".")
    return int(parts[2]) if len(parts) > 2 and parts[2].isdigit() else 0
