"""A site against a set: what is different, what of that was expected, and what was expected and is not so. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

from sitekeeper.engine.errors import IntegrityError
from sitekeeper.engine.module import Module, Params
from sitekeeper.engine.plan import Check, Plan, Record, Result
from sitekeeper.engine.session import Context
from sitekeeper.engine.types import Many
from sitekeeper.model.site import ServiceFacts, SiteDatabase, SiteFacts
from sitekeeper.model.store import ExtractedSet


class CompareParams(Params):
    """What with what."""

    set: ExtractedSet
    """The set."""
    site: SiteFacts
    """The site as it is now."""
    expected: Many[str] = ()
    """Names of the differences that there must be, as the result names them; with ``any`` nothing is judged."""


class Difference(Record):
    """One thing that is not as in the set."""

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
                said="as in the set, and was expected to be different",
                consequence="What was to change in the recovery did not.",
            )
            for name in sorted(expected - names - {"any"})
        )
        failed = [one for one in checks if one.status == "failed"]
        if failed:
            refused = IntegrityError(
                f"{params.site.code} is not as {params.set.id} lets expect: "
                + "; ".join(f"{one.name}: {one.said}" for one in failed)
            )
            refused.checks = checks
            raise refused
        told = ", ".join(sorted(names)) or "nothing"
        return Plan(result=Comparison(differences=found, checks=checks, msg=f"different from {params.set.id}: {told}"))


def _judge(one: Difference, expected: set[str]) -> Check:
    said = f"{one.now or 'nothing'}, was {one.before or 'nothing'}"
    if expected & {one.name, "any"}:
        return Check(name=one.name, status="ok", said=f"{said}, as expected")
    return Check(
        name=one.name,
        status="failed",
        said=said,
        consequence="The recovered site is not the one that was backed up: find out why before it goes back to work.",
    )


def differences(got: ExtractedSet, site: SiteFacts) -> Iterator[Difference]:
    """What is different, by name."""
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
    """ConfigMgr's own, with how they start; whether they run at the moment is no property of the site."""
    return ", ".join(
        sorted(f"{one.name} ({one.start_mode})" for one in services if one.name.upper().startswith("SMS_"))
    )
