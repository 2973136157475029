"""The layout of a site: its volumes, the volumes mounted inside it, and the place of each part in a set."""

from __future__ import annotations

from collections.abc import Sequence

from sitekeeper.engine.errors import IntegrityError
from sitekeeper.engine.session import Context
from sitekeeper.model.site import Part, SiteDatabase, Volume
from sitekeeper.store.format.names import make_stored_path


def volumes_of(volumes: Sequence[Volume], paths: Sequence[str]) -> list[Volume]:
    """The volumes of these paths; the deepest mount point counts.

    Raises:
        IntegrityError: a path is on none of them.

    """
    chosen: list[Volume] = []
    for path in paths:
        volume = volume_of(volumes, path)
        if volume not in chosen:
            chosen.append(volume)
    return chosen


def volume_of(volumes: Sequence[Volume], path: str) -> Volume:
    """The volume of a path."""
    holding = [volume for volume in volumes if (path.lower() + "\\").startswith(volume.name.lower())]
    if not holding:
        raise IntegrityError(f"{path} is not on a local volume", hint="a site on a network drive cannot be backed up")
    return max(holding, key=lambda volume: len(volume.name))


def volumes_inside(volumes: Sequence[Volume], folder: str) -> list[Volume]:
    """The volumes mounted below a folder, without the one mounted at the folder itself."""
    above = folder.lower() + "\\"
    return [volume for volume in volumes if volume.name.lower().startswith(above) and volume.name.lower() != above]


def root_of(volumes: Sequence[Volume], path: str) -> list[Volume]:
    """The volume at the root of a path's drive: our work folder is there, even if the path is on a mounted volume."""
    return [volume for volume in volumes if volume.name.upper() == f"{path[0].upper()}:\\"]


def parts_of(
    ctx: Context,
    install: str,
    used: Sequence[Volume],
    inner: Sequence[Volume],
    database: SiteDatabase | None,
    elsewhere: Sequence[Volume],
) -> tuple[Part, ...]:
    """The parts of a set and their places: ConfigMgr's own layout, and registry exports under our own names."""
    home = volume_of(used, install)
    parts = [Part(kind="files", host=ctx.host, volume=home.id, path=below(home, install), to="SiteServer/SMSServer")]
    for volume in inner:
        place = make_stored_path("SiteServer/SMSServer", volume.name[len(install) + 1 :].strip("\\"))
        parts.append(Part(kind="files", host=ctx.host, volume=volume.id, path="", to=place))
    letter = next((volume for volume in used if volume.name.upper() == f"{install[0].upper()}:\\"), home)
    work = f"sitekeeper\\{ctx.run_id}\\registry"
    parts.append(Part(kind="registry", host=ctx.host, volume=letter.id, path=work, to="SiteServer/Registry"))
    if database is not None:
        volumes = used if database.host == ctx.host else elsewhere
        for file in database.files:
            volume = volume_of(volumes, file.path)
            path = below(volume, file.path)
            parts.append(Part(kind="database", host=database.host, volume=volume.id, path=path, to="SiteDBServer"))
    return tuple(parts)


def below(volume: Volume, path: str) -> str:
    """A path relative to the root of its volume."""
    return path[len(volume.name) :].strip("\\")
