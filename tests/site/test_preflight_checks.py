"""Each check of preflight: what it finds well, what it warns of, what it refuses."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sitekeeper.engine.errors import ErrorRecord, RemoteError, SqlError
from sitekeeper.engine.session import Answer
from sitekeeper.model.site import Machine, OtherDatabase, ServiceFacts, SiteDatabase, SiteFacts, Volume
from sitekeeper.site.readiness import installation_checks, site_checks
from sitekeeper.site.readiness.findings import Expectations

D, E = "11111111-0000-0000-0000-00000000000d", "11111111-0000-0000-0000-00000000000e"
STATES = {"SMS_SITE_COMPONENT_MANAGER": "Running", "SMS_EXECUTIVE": "Running", "SMS_SITE_BACKUP": "Stopped"}
SQL = "a65faa63-5ea8-4ebc-9dbd-a0c4db26912a"


def writer(state: int = 1, said: str = "No error", guid: str = SQL) -> str:
    return f"Writer name: 'W'\n  Id: {{{guid}}}\n  Instance: {{{D}}}\n  State: [{state}] x\n  Last error: {said}\n"


class Ps:
    """Answers by class or query; counts how often the writers were asked for."""

    def __init__(self, **rows: Any) -> None:
        self.rows = rows
        self.writers = [writer()]
        self.code = 0

    def call(self, command: str, /, **args: Any) -> list[Any]:
        if command == "Get-SkVssWriter":
            text = self.writers.pop(0) if len(self.writers) > 1 else self.writers[0]
            return [{"ExitCode": self.code, "Text": text}]
        asked = str(args.get("Class") or args["Query"])
        found: Any = next((rows for name, rows in self.rows.items() if name in asked), [])
        if isinstance(found, Exception):
            raise found
        return list(found)

    def read(self, calls: Any) -> list[Answer]:
        return [Answer((), self.rows.get("errors", ()))] * len(calls)


class Clock:
    slept = 0.0

    def now(self) -> dt.datetime:
        return dt.datetime(2026, 11, 24, tzinfo=dt.UTC)

    def sleep(self, seconds: float, wake: Any = None) -> None:
        self.slept += seconds


def machine(**changes: Any) -> Machine:
    return Machine(
        name="PR1", caption="", version="6.3.9600", language=1033, installed="", booted="", guid="", x64=True, **changes
    )


def site(states: dict[str, str] = STATES, **changes: Any) -> SiteFacts:
    return SiteFacts(
        code="PR1",
        type="primary",
        product="2012",
        version="5",
        install_dir="D:\\SMS",
        machine=changes.pop("machine", machine()),
        services=tuple(
            ServiceFacts(name=name, state=state, start_mode="Auto", pid=1) for name, state in states.items()
        ),
        services_to_stop=(),
        registry_keys=(),
        what=(),
        volumes=(Volume(id=D, name="D:\\", capacity=10**9, free=1000),),
        **changes,
    )


def database(host: str = "PR1", others: tuple[OtherDatabase, ...] = ()) -> SiteDatabase:
    return SiteDatabase(
        host=host,
        server="S",
        instance="MSSQLSERVER",
        name="CM",
        version="11",
        edition="",
        collation="",
        recovery_model="",
        owner="",
        trustworthy=True,
        broker=True,
        clr=True,
        compatibility=1,
        files=(),
        others=others,
        mounts=("C:\\", "D:\\"),
    )


def found(
    check: Any, ps: Ps, facts: SiteFacts | None = None, other: Ps | None = None, **changes: Any
) -> list[tuple[str, str, str]]:
    clock: Any = Clock()
    ctx: Any = SimpleNamespace(ps=ps, host="PR1", clock=clock, stop=None)
    ctx.of = lambda host: SimpleNamespace(ps=other, host=host, clock=clock, stop=None)
    plain = {
        "site": facts or site(),
        "size": 1000,
        "seconds": 60.0,
        "growth": 100,
        "longest": 3600.0,
        "skew": 300.0,
        "tries": 3,
        "store_free": 2000,
        "store_root": Path("/srv"),
    }
    return [(one.name, one.status, one.said) for one in check(ctx, Expectations(**(plain | changes)))]  # type: ignore[arg-type]  # of mixed types


def statuses(*args: Any, **more: Any) -> dict[str, str]:
    return {name: status for name, status, _ in found(*args, **more)}


def test_rights() -> None:
    assert statuses(site_checks.rights, Ps()) == {"rights": "ok"}
    assert statuses(site_checks.rights, Ps(errors=(ErrorRecord("no", "AccessDenied", 18),))) == {"rights": "failed"}


@pytest.mark.parametrize(
    ("states", "services", "backup"),
    [
        (STATES, "ok", "ok"),
        (STATES | {"SMS_EXECUTIVE": "Stopped"}, "warning", "ok"),
        (STATES | {"SMS_SITE_BACKUP": "Running"}, "ok", "failed"),
        (STATES | {"SMS_SITE_BACKUP": "Start Pending"}, "ok", "failed"),
        ({"SMS_EXECUTIVE": "Running"}, "failed", "ok"),
        ({}, "failed", "ok"),
    ],
)
def test_services(states: dict[str, str], services: str, backup: str) -> None:
    assert statuses(site_checks.services, Ps(), site(states)) == {"services": services, "site backup": backup}


@pytest.mark.parametrize(
    ("name", "path", "status"),
    [
        ("Setup.exe", "D:\\sms\\bin\\x64\\setup.exe", "failed"),
        ("setup.exe", "E:\\media\\SMSSETUP\\bin\\setup.exe", "failed"),
        ("setup.exe", "C:\\Temp\\setup.exe", "ok"),
        ("smsexec.exe", "D:\\SMS\\bin\\x64\\smsexec.exe", "ok"),
        ("preinst.exe", None, "ok"),
    ],
)
def test_installations(name: str, path: str | None, status: str) -> None:
    ps = Ps(Win32_Process=[{"Name": name, "ExecutablePath": path}])
    assert statuses(installation_checks.installations, ps) == {"installation": status}


@pytest.mark.parametrize(("number", "status"), [(229, "warning"), (208, "warning"), (4060, None)])
def test_updates_that_cannot_be_read(number: int, status: str | None) -> None:
    def denied(*_: Any) -> Any:
        raise SqlError("no", number=number)

    ctx: Any = SimpleNamespace(sql=denied)
    facts = site(database=database()).model_copy(update={"version": "5.00.9128.1000"})
    asked: Any = SimpleNamespace(site=facts)
    if status is None:
        with pytest.raises(SqlError):
            list(installation_checks.updates(ctx, asked))
    else:
        (one,) = installation_checks.updates(ctx, asked)
        assert (one.status, "SELECT on dbo.CM_UpdatePackages" in one.hint) == (status, True)


def test_writers_that_are_busy_are_looked_at_again() -> None:
    ps = Ps()
    ps.writers = [writer(5), writer(5), writer()]
    assert statuses(site_checks.writers, ps) == {"writers": "ok"}
    ps.writers = [writer(5), writer(5), writer(5), writer()]
    assert statuses(site_checks.writers, ps) == {"writers": "warning"}


@pytest.mark.parametrize(("state", "said"), [(5, "No error"), (7, "Timed out"), (8, "Non-retryable error")])
def test_a_writer_that_takes_no_part_is_only_reported(state: int, said: str) -> None:
    """WMI Writer [5], IIS Config Writer [7] Timed out: they are excluded from the set."""
    ps = Ps()
    ps.writers = [writer() + "\n" + writer(state, said, guid=E)]
    ((_, status, text),) = found(site_checks.writers, ps)
    assert (status, f"W [{state}] {said}: excluded from the shadow copy" in text) == ("ok", True)


@pytest.mark.parametrize(("text", "code"), [("", 0), (writer(), 1), (writer(1, "Retryable error"), 0), (writer(8), 0)])
def test_writers_that_are_not_well(text: str, code: int) -> None:
    ps = Ps()
    ps.writers, ps.code = [text], code
    assert statuses(site_checks.writers, ps) == {"writers": "failed"}


def test_the_sql_writer_where_the_database_is() -> None:
    ps = Ps()
    ps.writers = [writer(guid=E)]
    assert statuses(site_checks.writers, ps, site(database=database())) == {"writers": "ok", "sql writer": "failed"}
    assert statuses(site_checks.writers, ps, site(database=database("SQL1")), Ps()) == {"writers": "ok"}
    assert statuses(site_checks.writers, Ps(), site(database=database("SQL1")), ps)["sql writer"] == "failed"


def test_copies_that_windows_dropped_on_either_host() -> None:
    lost = Ps(
        Win32_NTLogEvent=[{"EventCode": 36, "TimeGenerated": "20261123031500.000000-000"}],
        Win32_ShadowStorage=[{"MaxSpace": 3 * 2**30}],
    )
    assert statuses(site_checks.lost_copies, Ps()) == {"shadow copies": "ok"}
    assert statuses(site_checks.lost_copies, lost) == {"shadow copies": "warning"}
    said = found(site_checks.lost_copies, Ps(), site(database=database("SQL1")), lost)
    assert [(status, text.partition(":")[0]) for _, status, text in said] == [("ok", "PR1"), ("warning", "SQL1")]
    assert "last at 03:15); limits of the shadow storage now: 3.0 GiB" in said[1][2]


def storage(most: int, used: int, volume: str = D) -> dict[str, Any]:
    return {"Volume": f"Volume{{{volume.upper()}}}", "MaxSpace": most, "UsedSpace": used}


@pytest.mark.parametrize(
    ("rows", "status"),
    [
        ([], "ok"),  # no limit yet: what is free counts
        ([storage(1000, 899)], "ok"),
        ([storage(1000, 901)], "failed"),
        ([storage(2**64 - 1, 10**12)], "ok"),
        ([storage(1000, 999, E)], "ok"),  # another volume's
    ],
)
def test_room_for_shadow_copies(rows: list[dict[str, Any]], status: str) -> None:
    assert statuses(site_checks.room, Ps(Win32_ShadowStorage=rows))["shadow storage"] == status


def test_room_on_the_databases_own_host() -> None:
    full = Ps(Win32_ShadowStorage=[storage(1000, 999, E)])
    facts = site(database=database("SQL1"), database_volumes=(Volume(id=E, name="F:\\", capacity=1, free=1000),))
    said = [
        (status, text.partition(":")[0])
        for name, status, text in found(site_checks.room, Ps(), facts, full)
        if name == "shadow storage"
    ]
    assert said == [("ok", "D"), ("failed", "F")]


def test_room_in_the_store_and_time() -> None:
    assert statuses(site_checks.room, Ps())["store"] == "ok"
    assert statuses(site_checks.room, Ps(), store_free=1099)["store"] == "failed"
    assert statuses(site_checks.room, Ps(), store_free=2199, copies=2)["store"] == "failed"  # sealed: plain and packed
    assert statuses(site_checks.room, Ps(), seconds=3601.0)["duration"] == "failed"


@pytest.mark.parametrize(
    ("files", "status"),
    [
        ((), "ok"),
        (("C:\\x.mdf",), "ok"),
        (("D:\\x.mdf", "D:\\x.ldf"), "warning"),
        (("D:\\x.mdf", "C:\\x.ldf"), "warning"),
    ],
)
def test_other_databases(files: tuple[str, ...], status: str) -> None:
    others = (OtherDatabase(name="SUSDB", files=files),) if files else ()
    assert statuses(site_checks.neighbours, Ps(), site(database=database(others=others))) == {"other databases": status}
    assert statuses(site_checks.neighbours, Ps()) == {}


@pytest.mark.parametrize(("skew", "status"), [(0.0, "ok"), (299.0, "ok"), (301.0, "failed"), (-301.0, "failed")])
def test_clocks(skew: float, status: str) -> None:
    assert statuses(site_checks.clock, Ps(), site(machine=machine(clock_skew=skew))) == {"clock": status}


def test_what_cannot_be_asked_is_an_error_and_not_an_empty_answer() -> None:
    with pytest.raises(RemoteError):
        found(site_checks.room, Ps(Win32_ShadowStorage=RemoteError("no")))
