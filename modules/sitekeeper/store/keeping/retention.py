"""Which sets a policy keeps, and why: a pure function over what is known of a site's sets.

By count first (``keep`` newest), then the newest set of each of so many days, weeks, months and years that have one: a
night without a set uses up no place. Days are UTC's, weeks ISO 8601's. Each rule counts for itself, kind by kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import ConfigDict, Field, ValidationError, model_validator

from sitekeeper.engine.errors import InventoryError
from sitekeeper.engine.origin import Origin
from sitekeeper.engine.plan import Record

Count = Annotated[int, Field(ge=0)]


class Policy(Record):
    """The variable ``retention`` of a site's host."""

    model_config = ConfigDict(strict=True)

    keep: Count = 0
    daily: Count = 0
    weekly: Count = 0
    monthly: Count = 0
    yearly: Count = 0

    @model_validator(mode="after")
    def _keeps_something(self) -> Policy:
        if not any((self.keep, self.daily, self.weekly, self.monthly, self.yearly)):
            raise ValueError("it keeps nothing")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What a policy needs to know of a set."""

    id: str
    kind: str
    taken_at: datetime
    """In UTC."""
    doubt: str = ""
    """Why it does not count as a good set: it fills no place, and is not ours to drop either."""
    whole: bool = True
    """Everything in it is of one instant."""
    pinned: bool = False
    drilled: bool = False
    """Its last drill succeeded."""


Period = Callable[[datetime], str]
PERIODS: tuple[tuple[str, Period], ...] = (
    ("daily", lambda at: f"{at:%Y-%m-%d}"),
    ("weekly", lambda at: "{}-W{:02}".format(*at.isocalendar())),
    ("monthly", lambda at: f"{at:%Y-%m}"),
    ("yearly", lambda at: f"{at:%Y}"),
)


def policy_of(variables: Mapping[str, object], origin: Origin | None = None) -> Policy | None:
    """The policy that a host's variables write; None: nothing ever goes.

    Raises:
        InventoryError: it makes no sense.

    """
    given = variables.get("retention")
    if given is None:
        return None
    try:
        return Policy.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in ("retention", *first["loc"]))
        raise InventoryError(
            f"{where}: {first['msg']}",
            origin=origin,
            hint="retention: {keep: 3, daily: 7, weekly: 4, monthly: 12, yearly: 3}",
        ) from None


def reasons_to_keep(sets: Iterable[Candidate], policy: Policy | None) -> dict[str, list[str]]:
    """For every set of one site why it stays; those without a reason may go."""
    every = list(sets)
    reasons: dict[str, list[str]] = {one.id: [] for one in every}
    for one in every:
        if one.doubt:
            reasons[one.id].append(f"not judged: {one.doubt}")
        if one.pinned:
            reasons[one.id].append("pinned")
        if policy is None:
            reasons[one.id].append("no policy")
    for kind in sorted({one.kind for one in every}):
        good = sorted(
            (one for one in every if one.kind == kind and not one.doubt),
            key=lambda one: (one.taken_at, one.id),
            reverse=True,
        )
        for name, fits in (("newest good", _any), ("newest complete", _is_whole), ("newest drilled", _is_drilled)):
            newest = next((one for one in good if fits(one)), None)
            if newest is not None and not (name == "newest complete" and newest is good[0]):
                reasons[newest.id].append(f"{name} {kind}")
        if policy is not None:
            _by_policy(good, policy, reasons)
    return reasons


def _any(_: Candidate) -> bool:
    return True


def _is_whole(one: Candidate) -> bool:
    return one.whole


def _is_drilled(one: Candidate) -> bool:
    return one.drilled


def _by_policy(good: list[Candidate], policy: Policy, reasons: dict[str, list[str]]) -> None:
    """``good``: of one kind, the newest first."""
    for one in good[: policy.keep]:
        reasons[one.id].append("keep")
    for rule, period in PERIODS:
        newest: dict[str, str] = {}
        for one in good:
            newest.setdefault(period(one.taken_at), one.id)
        for name, set_id in list(newest.items())[: getattr(policy, rule)]:
            reasons[set_id].append(f"{rule} {name}")
