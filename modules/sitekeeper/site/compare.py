"""Compares a site with a set: what differs, which differences were expected, and which expected ones are missing. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

from sitekeeper.engine.checks import build_refusal, find_failed
from sitekeeper.engine.errors import IntegrityError
from sitekeeper.engine.module import Module, Params
from sitekeeper.engine.plan import Check, Plan, Record, Result
from sitekeeper.engine.session import Context
from sitekeeper.engine.types import Many
from sitekeeper.model.site import ServiceFacts, SiteDatabase, SiteFacts
from sitekeeper.model.store import ExtractedSet


class CompareParams(Params):
    """What to compare."""

    set: ExtractedSet
    """The set."""
    site: SiteFacts
    """The site as it is now."""
    expected: Many[str] = ()
    """Names of the differences that must exist, as the result names them; with ``any`` every difference is accepted."""


class Difference(Record):
    """One difference from the set."""

    name: str
    before: str
    """In the set."""
    now: str


class Comparison(Result):
    """Every difference."""

    differences: tuple[Difference, ...] = ()
    checks: tuple[Check, ...] = ()


class Compare(Module[CompareParams, None, Comparison]):
    """Example::

    - site.compare: {set: "{{ got }}", site: "{{ site }}", expected: [machine.guid, machine.installed]}
    """

    on_host = False

    def plan(self, ctx: Context, params: CompareParams) -> Plan[None, Comparison]:
        found = tuple(differences(params.set, params.site))
        names, expected = {one.name for one in found}, set(params.expected)
        checks = tuple(_judge(one, expected) for one in found) + tuple(
            Check(
                name=name,
                status="failed",
                said="same as in the set, but a difference was expected",
                consequence="The recovery should have changed this, and did not.",
            )
            for name in sorted(expected - names - {"any"})
        )
        if find_failed(checks):
            raise build_refusal(IntegrityError, f"site {params.site.code} differs from set {params.set.id}", checks)
        told = ", ".join(sorted(names)) or "no difference"
        return Plan(result=Comparison(differences=found, checks=checks, msg=f"compared with {params.set.id}: {told}"))


def _judge(one: Difference, expected: set[str]) -> Check:
    said = f"now {one.now or 'empty'}, was {one.before or 'empty'}"
    if expected & {one.name, "any"}:
        return Check(name=one.name, status="ok", said=f"{said}, as expected")
    return Check(
        name=one.name,
        status="failed",
        said=said,
        consequence="The recovered site is not the one that was backed up: find out why before you use it again.",
    )


def differences(got: ExtractedSet, site: SiteFacts) -> Iterator[Difference]:
    """Find the differences, by name."""
    pairs = {
        "site.code": (got.site, site.code),
        "site.parent": (got.parent or "", site.parent or ""),
        "site.type": (got.site_type, site.type),
        "site.version": (got.version, site.version),
        "site.install_dir": (got.install_dir, site.install_dir),
        "machine.name": (got.machine.name, site.machine.name),
        "machine.guid": (got.machine.guid, site.machine.guid),
        "machine.installed": (got.machine.installed, site.machine.installed),
        "machine.windows": (got.machine.version, site.machine.version),
        "services": (_services(got.services), _services(site.services)),
    }
    before, now = got.database, site.database
    if before is not None or now is not None:
        for field in (
            "server",
            "instance",
            "name",
            "version",
            "edition",
            "collation",
            "recovery_model",
            "owner",
            "trustworthy",
            "broker",
            "clr",
            "compatibility",
            "change_tracking",
        ):
            pairs[f"database.{field}"] = (_text(before, field), _text(now, field))
        pairs["database.files"] = (_files(before), _files(now))
        pairs["database.logins"] = (_logins(before), _logins(now))
    for name, (was, is_now) in pairs.items():
        if was.lower() != is_now.lower():
            yield Difference(name=name, before=was, now=is_now)


def _text(database: SiteDatabase | None, field: str) -> str:
    return "" if database is None else str(getattr(database, field))


def _files(database: SiteDatabase | None) -> str:
    return "" if database is None else ", ".join(sorted(file.path for file in database.files))


def _logins(database: SiteDatabase | None) -> str:
    return "" if database is None else ", ".join(sorted(database.logins))


def _services(services: tuple[ServiceFacts, ...]) -> str:
    """ConfigMgr's own services with their start mode; whether they run now is not a property of the site."""
    return ", ".join(
        sorted(f"{one.name} ({one.start_mode})" for one in services if one.name.upper().startswith("SMS_"))
    )
