"""The hierarchy of sites in an inventory: who is whose parent, checked before anything is started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from sitekeeper.engine.errors import InventoryError
from sitekeeper.engine.types import parse_site_code

if TYPE_CHECKING:
    from sitekeeper.engine.origin import Origin

SITE_TYPES = ("central", "cas", "primary", "secondary")


class Hosts(Protocol):
    """What is read of an inventory."""

    @property
    def hosts(self) -> Mapping[str, Any]: ...

    def vars_of(self, name: str) -> dict[str, Any]: ...

    def origin_of(self, host: str, variable: str | None = None) -> Origin: ...


@dataclass(frozen=True, slots=True)
class Site:
    """A site of the hierarchy, by its server's name in the inventory."""

    code: str
    host: str
    type: str
    parent: str | None = None


def of(inventory: Hosts) -> dict[str, Site]:
    """The sites by code: every host that has a ``site_code``.

    Raises:
        InventoryError: an invalid, reserved or duplicate site code, an unknown parent, or a circle; points at the line.

    """
    sites: dict[str, Site] = {}
    for host in inventory.hosts:
        values = inventory.vars_of(host)
        if "site_code" not in values:
            continue
        code = _code(values["site_code"], inventory.origin_of(host, "site_code"), host)
        kind = str(values.get("site_type", "primary"))
        if kind not in SITE_TYPES:
            raise InventoryError(
                f"`{kind}` is not a site type",
                host=host,
                origin=inventory.origin_of(host, "site_type"),
                hint=f"one of {', '.join(SITE_TYPES)}",
            )
        if code in sites:
            raise InventoryError(
                f"site code {code} is already the one of {sites[code].host}",
                host=host,
                origin=inventory.origin_of(host, "site_code"),
                hint="a site code is unique in a hierarchy",
            )
        parent = values.get("parent")
        parent_code = _code(parent, inventory.origin_of(host, "parent"), host) if parent is not None else None
        sites[code] = Site(code, host, kind, parent_code)
    for site in sites.values():
        if site.parent is not None and site.parent not in sites:
            raise InventoryError(
                f"parent {site.parent} of site {site.code} is not a site of this inventory",
                host=site.host,
                origin=inventory.origin_of(site.host, "parent"),
            )
        _no_circle(site, sites, inventory)
    _database_hosts(inventory)
    _management_servers(inventory)
    return sites


def above(site: Site, sites: Mapping[str, Site]) -> list[Site]:
    """Parent, its parent, and so on; the sites of an inventory have no circles."""
    found: list[Site] = []
    parent = site.parent
    while parent is not None:
        found.append(sites[parent])
        parent = sites[parent].parent
    return found


def _code(value: Any, origin: Origin, host: str) -> str:
    try:
        return parse_site_code(value)
    except ValueError as error:
        raise InventoryError(f"site code {value}: {error}", host=host, origin=origin) from None


def _no_circle(site: Site, sites: dict[str, Site], inventory: Hosts) -> None:
    seen = [site.code]
    above = site.parent
    while above is not None:
        if above in seen:
            raise InventoryError(
                f"the hierarchy goes in a circle: {' > '.join([*seen, above])}",
                host=site.host,
                origin=inventory.origin_of(site.host, "parent"),
            )
        seen.append(above)
        above = sites[above].parent if above in sites else None


def _database_hosts(inventory: Hosts) -> None:
    for host in inventory.hosts:
        other = inventory.vars_of(host).get("database_host")
        if other is not None and other not in inventory.hosts:
            raise InventoryError(
                f"database_host {other} is not a host of this inventory",
                host=host,
                origin=inventory.origin_of(host, "database_host"),
                hint="give the database server an entry of its own, with its connection variables",
            )


def _management_servers(inventory: Hosts) -> None:
    for host in inventory.hosts:
        how = inventory.vars_of(host).get("maintenance")
        server = how.get("management_server") if isinstance(how, Mapping) else None
        if isinstance(server, str) and "{{" not in server and server not in inventory.hosts:
            raise InventoryError(
                f"management_server {server} is not a host of this inventory",
                host=host,
                origin=inventory.origin_of(host, "maintenance"),
                hint="give the management server an entry of its own, with its connection variables",
            )
