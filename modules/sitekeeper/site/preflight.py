"""Checks whether a good backup of a site is possible now, before anything is stopped. Each check: name, status, hint."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Annotated

from pydantic import Field

from sitekeeper.engine.checks import build_refusal, find_failed, show_warnings
from sitekeeper.engine.errors import PreflightError, UnreachableError
from sitekeeper.engine.figures import show_duration, show_size
from sitekeeper.engine.module import Module, Needs, Params
from sitekeeper.engine.plan import Check, Plan, Result
from sitekeeper.engine.session import Context
from sitekeeper.engine.types import Duration, Size
from sitekeeper.model.site import SiteFacts
from sitekeeper.site.readiness import site_checks
from sitekeeper.site.readiness.findings import Expectations, Finding
from sitekeeper.store.format.packed_files import choose_packing
from sitekeeper.store.format.store_folder import Folder, store_of
from sitekeeper.transport.wmi import reading


class PreflightResult(Result):
    """All checks, and the predicted size and time of the backup."""

    checks: tuple[Check, ...] = ()
    predicted_bytes: int = 0
    predicted_seconds: float = 0.0


class PreflightParams(Params):
    """Which site, and the limits."""

    site: SiteFacts
    """The site."""
    store: str | None = None
    """The store for the set; default: the variable ``store``."""
    rate: Annotated[Size, Field(gt=0)] = 10 * 1024 * 1024
    """Expected bytes a second of the copy, for the predicted duration."""
    growth: Size = 20 * 1024 * 1024
    """Expected growth of the shadow storage in bytes a minute, during the copy."""
    longest: Duration = timedelta(hours=12)
    """How long the shadow copies may exist."""
    skew: Duration = timedelta(minutes=5)
    """How far the host's clock may differ from ours (Kerberos and leases do not allow more)."""
    tries: int = 3
    """How often busy writers are checked again, with growing pauses, before they count as failed."""


class Preflight(Module[PreflightParams, None, PreflightResult]):
    """Example::

    - site.preflight: {site: "{{ site }}", store: /srv/backups}
    """

    needs = Needs(
        cmdlets={
            "Get-WmiObject": reading("Win32_Process", "Win32_NTLogEvent", "Win32_ShadowCopy", "Win32_ShadowStorage"),
            "Write-Output": {"InputObject": ".*"},
        },
        functions=("Get-SkVssWriter", "Measure-SkTree", "Test-SkVshadow"),
        rights="read shadow copies and their storage (Administrators)",
    )

    def plan(self, ctx: Context, params: PreflightParams) -> Plan[None, PreflightResult]:
        size = site_checks.predict_bytes(ctx, params.site)
        seconds = size / params.rate + 60
        store = Folder(store_of(ctx, params.store))
        store.fit()
        asked = Expectations(
            site=params.site,
            size=size,
            seconds=seconds,
            growth=int(params.growth * seconds / 60),
            longest=params.longest.total_seconds(),
            skew=params.skew.total_seconds(),
            tries=params.tries,
            store_free=store.free(),
            store_root=store.root,
            copies=1 if choose_packing(ctx.vars) is None else 2,
        )
        checks = tuple(
            Check(name=one.name, status=one.status, said=one.said, hint=one.hint) for one in _run_checks(ctx, asked)
        )
        failed = find_failed(checks)
        passed = sum(one.status == "ok" for one in checks)
        told = f"{passed} checks passed; about {show_size(size)} to copy, roughly {show_duration(max(60, round(seconds / 60) * 60))}"
        told += show_warnings(checks)
        if failed:
            raise build_refusal(
                PreflightError,
                f"{params.site.code} cannot be backed up now",
                checks,
                hint="; ".join(one.hint for one in failed if one.hint) or None,
            )
        down = next((one.said for one in checks if one.name == "services" and one.status == "warning"), "")
        return Plan(
            result=PreflightResult(
                checks=checks,
                predicted_bytes=size,
                predicted_seconds=round(seconds, 1),
                msg=told,
                partial=f"{params.site.code} is down: {down}" if down else "",
            )
        )


def _run_checks(ctx: Context, asked: Expectations) -> Iterator[Finding]:
    """Run every check; one that cannot run has failed."""
    for check in site_checks.ALL:
        yield from _run_check(check, ctx, asked)


def _run_check(check: Callable[..., Iterator[Finding]], ctx: Context, asked: Expectations) -> list[Finding]:
    try:
        return list(check(ctx, asked))
    except UnreachableError:
        raise
    except site_checks.CANNOT as error:
        return [Finding(check.__name__.replace("_", " "), "failed", f"could not be checked: {error}")]
