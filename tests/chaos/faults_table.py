"""The table of faults: what can strike a night, how it is made in the lab, and at which steps it can strike."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from .strikes import (
    CLEAN,
    COPY,
    COUNT,
    EXPORT,
    INSIDE,
    LEARN,
    PUBLISH,
    PULL,
    PULLING,
    REFUSE,
    START,
    STEPS,
    STOP,
    STOPPING,
)
from .theatre import Theatre

Setting = Literal["one host", "database elsewhere", "store of its own", "Server 2003"]
EVERYWHERE = (*STEPS, *INSIDE)


@dataclass(frozen=True, slots=True)
class Row:
    """A fault."""

    fault: str
    """As the promise names it."""
    how: str
    """What happens, exactly."""
    strike: Callable[[Theatre], None]
    steps: tuple[str, ...]
    setting: Setting = "one host"
    hours: bool = False
    """Time flies during the run: something is waited for that takes minutes."""
    impatient: bool = False
    """The run waits a second for an answer."""
    extra: tuple[str, ...] = ()
    before: Callable[[Theatre], None] | None = None
    """What is done before the run begins."""
    sick: bool = False
    """The services cannot come back before somebody has repaired the cause."""
    minutes: int = 0
    """How long the lab's own stopping takes, on top of the guard's time."""
    asleep: int = 0
    """For how many minutes the control host is suspended at the step."""
    slow: bool = False
    """Too slow for the suite: only ``make chaos`` tries it."""


def fault(name: str, host: str = "", **arguments: object) -> Callable[[Theatre], None]:
    """On the site server, or another host."""
    return lambda theatre: theatre.lab.fault(host or theatre.site, name, **arguments)


def all_of(*strikes: Callable[[Theatre], None]) -> Callable[[Theatre], None]:
    def strike(theatre: Theatre) -> None:
        for one in strikes:
            one(theatre)

    return strike


RESET = fault("drop_connection", at=1, when="before")
LOST_ANSWER = fault("drop_connection", at=1, when="after")
LOCKED = fault("refuse_login", times=0)


def for_a_moment(theatre: Theatre) -> None:
    """A black hole of some seconds."""
    theatre.lab.fault(theatre.site, "black_hole")
    threading.Timer(3.0, theatre.lab.clear_faults).start()


def nothing(_: Theatre) -> None:
    """The suspension itself is the fault."""


def sql_reset(theatre: Theatre) -> None:
    seen = [line["number"] for line in theatre.lab.audit_lines(0) if line["event"] == "sql"]
    theatre.lab.fault(theatre.site, "sql_drop_connection", at=max(seen, default=0) + 1, when="before")


def unmounted_and_closed(theatre: Theatre) -> None:
    theatre.unmount_store()
    theatre.store.chmod(0o700)


def just_before_midnight(theatre: Theatre) -> None:
    now = theatre.lab.clock.now()
    theatre.lab.advance((86400 - 30 - (now.hour * 3600 + now.minute * 60 + now.second)) % 86400)


def midnight(theatre: Theatre) -> None:
    day = theatre.lab.clock.now().date()
    theatre.lab.advance(60)
    assert theatre.lab.clock.now().date() > day


TABLE = (
    Row("reset", "the connection breaks before the next request is handled", RESET, EVERYWHERE),
    Row("reset", "the next request is carried out, its answer is lost", LOST_ANSWER, EVERYWHERE),
    Row("reset", "the connection to SQL Server breaks", sql_reset, (LEARN, REFUSE, COUNT)),
    Row("black hole", "for some seconds nothing is answered", for_a_moment, EVERYWHERE, impatient=True),
    Row("black hole", "nothing is answered any more", fault("black_hole"), EVERYWHERE, impatient=True, slow=True),
    Row(
        "half an answer",
        "the connection breaks within the next answer",
        fault("drop_connection", at=1, when="during"),
        EVERYWHERE,
    ),
    Row("WinRM restart", "all shells are gone", fault("winrm_restarts"), EVERYWHERE),
    Row("reboot", "the site server restarts", fault("reboot"), EVERYWHERE),
    *(
        Row(name, f"Server 2003: {how}", strike, EVERYWHERE, setting="Server 2003")
        for name, how, strike in (
            ("reset", "the next request is carried out, its answer is lost", LOST_ANSWER),
            ("WinRM restart", "all shells are gone", fault("winrm_restarts")),
            ("reboot", "the site server restarts", fault("reboot")),
        )
    ),
    Row("account locked", "and the connection breaks", all_of(LOCKED, RESET), EVERYWHERE),
    Row(
        "account locked",
        "SQL Server refuses the login (18486)",
        fault("sql_refuse_login", times=0, number=18486),
        (LEARN, REFUSE, COUNT),
    ),
    Row("password expired half-way", "new log-ins are refused, who is connected stays so", LOCKED, EVERYWHERE),
    Row(
        "password expired half-way",
        "SQL Server refuses the login (18487)",
        fault("sql_refuse_login", times=0, number=18487),
        (LEARN, REFUSE, COUNT),
    ),
    Row(
        "stop takes 25 minutes under a 15-minute guard",
        "its time-out is 20 minutes",
        fault("slow_stop", service="SMS_EXECUTIVE", seconds=1500),
        (STOP,),
        hours=True,
        slow=True,
    ),
    Row(
        "stop takes 25 minutes under a 15-minute guard",
        "its time-out is 40 minutes",
        fault("slow_stop", service="SMS_EXECUTIVE", seconds=1500),
        (STOP,),
        hours=True,
        slow=True,
        extra=("-e", "service_timeout=40m"),
    ),
    Row(
        "stop takes 25 minutes under a 15-minute guard",
        "and the site cannot be reached any more",
        all_of(fault("slow_stop", service="SMS_EXECUTIVE", seconds=1500), fault("black_hole")),
        (STOPPING,),
        impatient=True,
        slow=True,
        minutes=12,
    ),
    Row(
        "start hangs",
        "until somebody repairs it",
        fault("start_hangs", service="SMS_EXECUTIVE", times=0),
        (START,),
        hours=True,
        sick=True,
        slow=True,
    ),
    Row("starts and dies", "once", fault("start_and_die", service="SMS_SITE_COMPONENT_MANAGER"), (START,)),
    Row(
        "starts and dies",
        "until somebody repairs it",
        fault("start_and_die", service="SMS_SITE_COMPONENT_MANAGER", times=0),
        (START,),
        hours=True,
        sick=True,
    ),
    *(
        Row("writer fails at each VSS phase", f"at {phase}", fault("writer_fails", phase=phase), (COPY,))
        for phase in (
            "identify",
            "prepare_backup",
            "prepare_snapshot",
            "freeze",
            "thaw",
            "post_snapshot",
            "backup_complete",
        )
    ),
    Row("writer fails at each VSS phase", "and diskshadow says nothing of it", fault("log_volume_missing"), (COPY,)),
    Row(
        "another requester active",
        "its writers wait for it (preflight)",
        fault("writer_failed", state=5, error="No error", times=0),
        (LEARN, REFUSE),
        hours=True,
    ),
    Row("another requester active", "another set is being made", fault("snapshot_in_progress"), (COPY,)),
    Row("shadow storage exhausted", "there is no room for a set", fault("snapshot_fails"), (COPY,)),
    Row(
        "shadow storage exhausted",
        "Windows drops the copies",
        fault("shadow_storage_full"),
        (START, PULL, PULLING, PUBLISH, CLEAN),
    ),
    Row(
        "shadow copy deleted while we copy",
        "by somebody else",
        fault("shadows_deleted"),
        (START, PULL, PULLING, PUBLISH, CLEAN),
    ),
    Row("SQL gone", "its service stops", fault("sql_stops"), EVERYWHERE),
    Row(
        "disk full on site server",
        "both volumes",
        all_of(fault("disk_full", volume="C:", times=0), fault("disk_full", volume="D:", times=0)),
        EVERYWHERE,
    ),
    Row(
        "disk full on SQL host",
        "all volumes",
        all_of(*(fault("disk_full", "SQL1", volume=letter, times=0) for letter in ("C:", "E:", "F:"))),
        EVERYWHERE,
        setting="database elsewhere",
        slow=True,
    ),
    Row(
        "SQL host gone",
        "it answers nothing any more",
        all_of(fault("black_hole", "SQL1"), fault("sql_stops", "SQL1")),
        EVERYWHERE,
        setting="database elsewhere",
        impatient=True,
        slow=True,
    ),
    Row(
        "disk full on store",
        "not a byte is left",
        lambda stage: stage.fill_store(),
        EVERYWHERE,
        setting="store of its own",
    ),
    Row(
        "store unmounted",
        "its folder is the empty mount point, as mkdir makes one",
        lambda stage: stage.unmount_store(),
        EVERYWHERE,
        setting="store of its own",
    ),
    *(
        Row("site clock ±10 minutes", f"{minutes:+d} minutes", fault("clock_set", seconds=60 * minutes), EVERYWHERE)
        for minutes in (10, -10)
    ),
    *(
        Row(
            "site clock ±10 minutes",
            f"{minutes:+d} minutes, and the site cannot be reached any more",
            all_of(fault("clock_set", seconds=60 * minutes), fault("black_hole")),
            (STOPPING, EXPORT, PULL),
            impatient=True,
        )
        for minutes in (10, -10)
    ),
    Row("DST change", "the clock is put forward", fault("time_zone", minutes=60), EVERYWHERE),
    Row("DST change", "the clock is put back", fault("time_zone", minutes=-60), EVERYWHERE),
    Row("midnight", "UTC and local", midnight, EVERYWHERE, before=just_before_midnight),
    Row("control host suspended past the guard", "for 18 minutes", nothing, STEPS, asleep=18),
    Row("control host suspended past the guard", "for 7 hours", nothing, (EXPORT, COPY, PULL, PUBLISH), asleep=7 * 60),
    Row(
        "non-US date format",
        "day.month.year, 24 hours",
        fault("date_format", format="%d.%m.%Y %H:%M:%S"),
        (LEARN, COPY),
    ),
    Row("GPO AllSigned", "set by policy", fault("all_signed"), (LEARN, STOP)),
    Row(
        "store unmounted",
        "its folder is the empty mount point, closed like a store",
        unmounted_and_closed,
        EVERYWHERE,
        setting="store of its own",
    ),
)
