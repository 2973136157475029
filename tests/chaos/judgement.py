"""The same check after every fault: what came of the night, and what of the promise was not kept."""

from __future__ import annotations

from dataclasses import dataclass

from sitekeeper.engine.errors import LimitError

from .faults_table import Row
from .strikes import Strike
from .suspended import slept
from .theatre import GUARD_MINUTES, LEAK_MINUTES, MAINTENANCE_MINUTES, Night, Theatre

_MOMENT = 3.0
"""Seconds (real ones) that the lab may take to see what was just done, a service that starts among them."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a fault did at a step."""

    fault: str
    how: str
    step: str
    code: int
    word: str
    published: bool
    back: str
    """How the site came back: never away, by the run, by its guard, ..."""
    seconds: float
    """Lab time of the run."""
    error: str
    wrong: tuple[str, ...]

    @property
    def happened(self) -> str:
        """In a few words: what is expected, and stands in docs/reliability.md."""
        said = "ok" if not self.code else f"{self.word} ({self.code})"
        return f"{said}, {'published' if self.published else 'nothing published'}, {self.back}"


def tried(theatre: Theatre, row: Row, step: str) -> Result:
    """Let the fault strike at the step, and look at what is left."""
    if row.before is not None:
        row.before(theatre)
    strike = Strike(step, lambda: row.strike(theatre))
    if row.asleep:
        night = slept(theatre, strike, row.asleep)
    else:
        night = theatre.night(strike, *row.extra, hours=row.hours, impatient=row.impatient)
    theatre.mount_store()  # to see what is in it
    wrong = [] if night.struck else [f"no run came to {step!r}"]
    aftermath = theatre.aftermath
    theatre.wait_until(lambda: not _open(theatre), _MOMENT if night.code == 0 else _MOMENT / 3)
    left, down = _open(theatre), aftermath.down(theatre.site)
    published = [one for one in aftermath.sets() if one / "manifest.json" not in theatre.earlier]
    wrong += _told(theatre, night, len(published))
    back = "by the run"
    if left:
        back = "the guard" if down else "leak guard"
        wrong += _by_itself(theatre, row)
        theatre.repair()
        wrong += _rolled_back(theatre)
    theatre.repair()
    theatre.lab.advance(60 * MAINTENANCE_MINUTES)
    wrong += (
        _open(theatre) + aftermath.maintenance() + aftermath.damaged(theatre.earlier) + aftermath.repeated(night.after)
    )
    theatre.forget()
    return Result(
        row.fault,
        row.how,
        step,
        night.code,
        night.word,
        bool(published),
        back,
        round(night.seconds, 1),
        night.error,
        tuple(wrong),
    )


def _open(theatre: Theatre) -> list[str]:
    """What is not as it was."""
    aftermath = theatre.aftermath
    return aftermath.down(theatre.site) + aftermath.traces() + aftermath.leases()


def _by_itself(theatre: Theatre, row: Row) -> list[str]:
    """The run is over and left something: the site helps itself, whether anybody can reach it or not."""
    aftermath = theatre.aftermath
    if row.sick:
        theatre.repair()
    theatre.lab.advance(60 * (GUARD_MINUTES + 1 + row.minutes))
    theatre.wait_until(lambda: not aftermath.down(theatre.site), _MOMENT)
    wrong = [f"after the guard's time {text}" for text in aftermath.down(theatre.site)]
    theatre.lab.advance(60 * (MAINTENANCE_MINUTES - GUARD_MINUTES))
    wrong += aftermath.maintenance()
    theatre.lab.advance(60 * (LEAK_MINUTES + 2 - MAINTENANCE_MINUTES))
    return wrong + [f"after the leak guard's time {text}" for text in aftermath.copies() + aftermath.leases()]


def _rolled_back(theatre: Theatre) -> list[str]:
    code, told = theatre.again("rollback", theatre.newest_run())
    if code == LimitError.exit_code and any("lease lost" in line for line in told):
        # The guard acts at this very moment, and has fenced us. Whoever is told so asks once more.
        code, told = theatre.again("rollback", theatre.newest_run())
    return [f"rollback ended with {code}: {told}"] if code else []


def _told(theatre: Theatre, night: Night, published: int) -> list[str]:
    """A night that is said to be good has one new set; one that is not says what, where, and what to do."""
    if night.code == 0:
        return [] if published == 1 else [f"said to be good, with {published} new sets"]
    wanted = {
        "its class": night.word,
        "its host": f"host {theatre.site}" in night.error or "host SQL1" in night.error,
        "its task": ", task " in night.error,
        "its file and line": "backup.yml:" in night.error or "hosts.yml:" in night.error,
        "what to do": "hint:" in night.error,
    }
    return [f"the error does not name {what}" for what, there in wanted.items() if not there]
