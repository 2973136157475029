"""Checks the destination of ConfigMgr's backup task, before anything is changed.

Rules: Microsoft Learn, "Back up a site" (the folder must exist, no characters beyond ASCII); KB Q310720 and Q256586 (a space hangs the
task, or lets it delete the product's folder: SMS 2.0, and refused on 2007, too); SMS 2003's monitoring page (not inside the product).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sitekeeper.engine.errors import IntegrityError, PreflightError, RemoteError
from sitekeeper.engine.figures import show_size
from sitekeeper.engine.session import Context
from sitekeeper.model.site import SiteFacts, Volume
from sitekeeper.site.learning.layout import volume_of

_LOCAL = re.compile(r'[A-Za-z]:\\[^/*?"<>|:]+')
LOCAL_DISK = 3


def destination_of(ctx: Context, site: SiteFacts) -> tuple[str, bool]:
    """The destination in the site control, if it can be used, and whether it shares a volume with the site.

    Raises:
        PreflightError: lists what is wrong with it.

    """
    try:
        rows = ctx.ps.call("Get-SkBackupTask", Site=site.code)
    except RemoteError as error:
        raise PreflightError(
            f"the properties of the backup task of {site.code} cannot be read: {error.message}",
            hint="the SMS Provider must be on the site server itself, and the account needs read access to the site there",
        ) from None
    places = {str(row["Destination"]).lower(): row for row in rows}
    if len(places) != 1:
        raise PreflightError(
            f"the site control of {site.code} has {len(places)} destinations for the backup task, not one",
            hint="configure the task in the console, and wait until the change has reached the site",
        )
    (row,) = places.values()
    destination = str(row["Destination"])
    wrong = list(_find_faults(destination, site, exists=bool(row["Exists"])))
    if wrong:
        raise PreflightError(
            f"the backup task of {site.code} writes to {destination!r}: {'; '.join(wrong)}",
            hint="correct the destination in the task's properties in the console",
        )
    return destination, _check_room(ctx, destination, site)


def _find_faults(destination: str, site: SiteFacts, *, exists: bool) -> Iterator[str]:
    if not destination:
        yield "no destination is configured"
        return
    if destination.startswith("\\\\"):
        yield "sitekeeper cannot check a share: a WinRM session cannot reach it (no second hop)"
        return
    if not _LOCAL.fullmatch(destination) or ".." in destination.split("\\"):
        yield "it is not a folder of a local drive"
        return
    if not destination.isascii():
        yield "the task accepts ASCII characters only"
    if site.product == "2007" and " " in destination:
        yield "a space in the path hangs the task of 2007"
    inside = site.install_dir.rstrip("\\").lower() + "\\"
    if (destination.lower() + "\\").startswith(inside):
        yield "it is inside the site's own folder"
    if inside.startswith(destination.lower() + "\\"):
        yield "the site's own folder is inside it"
    if not exists:
        yield "the folder does not exist"


def _check_room(ctx: Context, destination: str, site: SiteFacts) -> bool:
    """Refuse a destination that is not on a local disk or is too small for the database; return whether it shares a volume."""
    rows = ctx.ps.call("Get-WmiObject", Class="Win32_Volume")
    volumes = [
        Volume(
            id=str(row["DeviceID"]),
            name=str(row["Name"]),
            capacity=int(row["Capacity"] or 0),
            free=int(row["FreeSpace"] or 0),
        )
        for row in rows
        if row["DriveType"] == LOCAL_DISK and row["Name"]
    ]
    try:
        home = volume_of(volumes, destination)
    except IntegrityError as error:
        raise PreflightError(f"the backup task of {site.code}: {error.message}", hint=error.hint) from None
    files = site.database.files if site.database is not None else ()
    size = sum(file.bytes for file in files)
    if home.free < size:
        raise PreflightError(
            f"{destination} has {show_size(home.free)} free, but the database alone needs {show_size(size)}",
            hint="the previous backup stays beside the new one until the new one is in the store: both must fit",
        )
    return home.name.lower() in {
        volume_of(volumes, path).name.lower() for path in (site.install_dir, *(one.path for one in files))
    }
