"""In which order and in which batches the hosts of a play start, and which wait for which."""

from __future__ import annotations

import random
from collections.abc import Mapping

from sitekeeper.engine.inventory import hierarchy
from sitekeeper.engine.inventory.hierarchy import Site
from sitekeeper.engine.language.plays import Play


def sort_hosts(play: Play, hosts: list[str], sites: Mapping[str, Site]) -> list[str]:
    """The hosts, given in the order of the inventory, in the order of the play."""
    if play.order == "shuffle":
        return random.sample(hosts, len(hosts))
    if play.order in {"sorted", "reverse_sorted"}:
        hosts = sorted(hosts)
    if play.order in {"children_first", "parents_first"}:
        # Not only waited for: with serial, a child must not stand in a later batch than its parent.
        depth = {site.host: len(hierarchy.above(site, sites)) for site in sites.values()}
        sign = -1 if play.order == "children_first" else 1
        return sorted(hosts, key=lambda host: sign * depth.get(host, 0))
    return hosts[::-1] if play.order.startswith("reverse") else hosts


def must_wait(play: Play, host: str, unfinished: set[str], sites: Mapping[str, Site]) -> bool:
    """children_first: until all sites below, as far as they are in the play, have ended; parents_first: all above."""
    if play.order not in {"children_first", "parents_first"}:
        return False
    own = next((site for site in sites.values() if site.host == host), None)
    if own is None:
        return False
    if play.order == "parents_first":
        return any(site.host in unfinished for site in hierarchy.above(own, sites))
    return any(own in hierarchy.above(site, sites) and site.host in unfinished for site in sites.values())


def batches(hosts: list[str], serial: tuple[str | int, ...]) -> list[list[str]]:
    """Ansible's serial: each size in turn, the last one for the rest."""
    if not serial:
        return [hosts]
    found: list[list[str]] = []
    left = list(hosts)
    while left:
        size = serial[min(len(found), len(serial) - 1)]
        count = size if isinstance(size, int) else max(1, len(hosts) * int(size.rstrip("%")) // 100)
        found.append(left[:count])
        left = left[count:]
    return found
