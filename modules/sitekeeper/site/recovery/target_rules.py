"""The rules that a machine must meet before a site is recovered on it. Each has a name and a consequence.

Microsoft Learn, "Recover a site" (current branch) and "Unattended site recovery"; for 2007 the product's help on site
repair and site reset, KB 2509330 (srvacct) and KB Q201603 (serial numbers).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from sitekeeper.engine.figures import show_size
from sitekeeper.engine.plan import Check
from sitekeeper.model.site import Machine, ServiceFacts, Volume
from sitekeeper.model.store import ExtractedSet
from sitekeeper.site.learning.build import FIRST_WITH_CD_LATEST, build_of
from sitekeeper.site.recovery import installed_anew
from sitekeeper.site.recovery.installed_anew import DatabaseAge


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryMachine:
    """A machine and its SQL Server, in their current state."""

    got: ExtractedSet
    expected: str | None
    """The site code of this host in the inventory."""
    machine: Machine
    services: tuple[ServiceFacts, ...]
    volumes: tuple[Volume, ...]
    installed: str
    """Install folder of the site that is installed here; empty without one."""
    installed_code: str
    installed_version: str
    installed_database: str
    """Its server and name, as in the registry."""
    site_database: DatabaseAge
    """The age of the database of a 2007 site that is installed here."""
    sql_version: str
    sql_edition: str
    sql_collation: str
    databases: tuple[str, ...]
    cd_latest: str
    """Version of the setup in the set's CD.Latest; empty without one."""
    now: datetime

    @property
    def same_windows(self) -> bool:
        """Whether it is the same installation of Windows: it stores the keys of srvacct."""
        return bool(self.got.machine.guid) and self.got.machine.guid.lower() == self.machine.guid.lower()


def _pass(rule: str, said: str) -> Check:
    return Check(name=rule, status="ok", said=said)


def _refuse(rule: str, said: str, consequence: str, hint: str = "") -> Check:
    return Check(name=rule, status="failed", said=said, consequence=consequence, hint=hint)


def name(seen: RecoveryMachine) -> Iterator[Check]:
    """A site server's name cannot change."""
    was, now = seen.got.machine.name, seen.machine.name
    if was.lower() != now.lower():
        yield _refuse(
            "name",
            f"this machine is {now}, the set is of {was}",
            "A recovered site must keep its server name: clients and other sites look for this name.",
        )
    else:
        yield _pass("name", now)


def site_code(seen: RecoveryMachine) -> Iterator[Check]:
    """The set is of the site that the inventory names for this host."""
    if seen.expected != seen.got.site:
        yield _refuse(
            "site code",
            f"the inventory names {seen.expected or 'no site'} for this host, the set is of {seen.got.site}",
            "A recovery would bring up another site than the lost one.",
        )
    else:
        yield _pass("site code", seen.got.site)


def kind_of_site(seen: RecoveryMachine) -> Iterator[Check]:
    """A secondary site is recovered from its parent, not from a backup: setup would make a primary site of it."""
    got = seen.got
    if got.site_type != "secondary":
        yield _pass("kind of site", got.site_type)
    elif got.product == "2007":
        yield _refuse(
            "kind of site",
            f"{got.site} is a secondary site of 2007, without its own database",
            "No tool of Microsoft is known that can use its set.",
            hint="install it again from its primary site; `sitekeeper backups get` extracts useful files from the set",
        )
    else:
        yield _refuse(
            "kind of site",
            f"{got.site} is a secondary site",
            "Microsoft does not support its recovery from a backup: setup would bring it up as a primary site.",
            hint="use the console of its primary site: Administration, Sites, Recover Secondary Site",
        )


def live_site(seen: RecoveryMachine) -> Iterator[Check]:
    """A site that is installed here is never overwritten, even if it is new."""
    services = [one.name for one in seen.services if one.name.upper().startswith("SMS_")]
    if seen.got.product == "2007":
        yield from _site_of_2007(seen)
    elif seen.installed or services:
        yield _refuse(
            "no site",
            f"a site is installed in {seen.installed or 'an unknown folder'}",
            "Old data would reset its serial numbers: parent and child sites would reject what it sends.",
            hint="if you reuse a server, clean it first: "
            "delete the keys HKLM\\SOFTWARE\\Microsoft\\SMS and Services\\SMS*, uninstall the console, restart",
        )
    else:
        yield _pass("no site", "no site is installed here")


def _site_of_2007(seen: RecoveryMachine) -> Iterator[Check]:
    """The Site Repair Wizard needs a site that was installed again exactly as the lost one."""
    got = seen.got
    if not seen.installed:
        yield Check(
            name="installed site",
            status="warning",
            said="no site is installed here yet",
            consequence="The Site Repair Wizard repairs an installed site: install it first, with the same code, name and folder.",
        )
        return
    wrong = [
        f"{what} {now}, was {was}"
        for what, now, was in (
            ("code", seen.installed_code, got.site),
            ("folder", seen.installed, got.install_dir),
            ("version", _normalise(seen.installed_version), _normalise(got.version)),
            ("database", seen.installed_database, str(got.database or "")),
        )
        if now.lower() != was.lower()
    ]
    if wrong:
        yield _refuse(
            "installed site",
            "; ".join(wrong),
            "The Site Repair Wizard needs a site that is installed exactly as the lost one.",
        )
    else:
        yield _pass("installed site", f"{got.site} {got.version} in {seen.installed}")
        yield _check_installed_anew(seen)


def _check_installed_anew(seen: RecoveryMachine) -> Check:
    """A site in use must not be stopped and repaired with old data."""
    taken = datetime.fromisoformat(seen.got.taken_at)
    why = installed_anew.why_not_anew(seen.site_database, taken)
    if why:
        return _refuse(
            "reinstalled",
            why,
            "Old data would reset the serial numbers of a site in use: parent and child sites would reject what it sends.",
            hint="only a site that was installed again after the set was taken can be repaired from it: install it again first",
        )
    return _pass("reinstalled", f"its database was created at {seen.site_database.created:%Y-%m-%d %H:%M} UTC")


def sql_edition(seen: RecoveryMachine) -> Iterator[Check]:
    """The edition of SQL Server must not change."""
    known = seen.got.database
    if known is None:
        return
    if seen.sql_edition.split(" Edition")[0] != known.edition.split(" Edition")[0]:
        yield _refuse(
            "SQL edition",
            f"{seen.sql_edition}, was {known.edition}",
            "Setup does not recover a site on another edition of SQL Server.",
        )
    else:
        yield _pass("SQL edition", seen.sql_edition)


def sql_version(seen: RecoveryMachine) -> Iterator[Check]:
    """The same version of SQL Server, or a newer one."""
    known = seen.got.database
    if known is None:
        return
    if _numbers(seen.sql_version)[:2] < _numbers(known.version)[:2]:
        yield _refuse(
            "SQL version",
            f"{seen.sql_version}, was {known.version}",
            "An older SQL Server cannot open the database.",
        )
    else:
        yield _pass("SQL version", seen.sql_version)


def collation(seen: RecoveryMachine) -> Iterator[Check]:
    """Server and database must have the same collation."""
    known = seen.got.database
    if known is None:
        return
    if seen.sql_collation != known.collation:
        yield _refuse(
            "collation",
            f"the server has {seen.sql_collation}, the database {known.collation}",
            "ConfigMgr's queries fail if server and database have different collations.",
        )
    else:
        yield _pass("collation", seen.sql_collation)


def database(seen: RecoveryMachine) -> Iterator[Check]:
    """Setup fails if the database exists already; ours must not replace another one."""
    known = seen.got.database
    if known is None or seen.got.product == "2007":
        return
    if known.name.lower() in {one.lower() for one in seen.databases}:
        yield _refuse(
            "no database",
            f"database {known.name} already exists on this server",
            "Setup does not restore over an existing database, and sitekeeper does not either.",
            hint="if you do not need it any more, detach it and move its files away",
        )
    else:
        yield _pass("no database", f"database {known.name} does not exist on this server")


def install_drive(seen: RecoveryMachine) -> Iterator[Check]:
    """A volume for the install folder exists, with enough space."""
    path = seen.got.install_dir.lower()
    holding = [one for one in seen.volumes if f"{path}\\".startswith(one.name.lower())]
    if not holding:
        yield _refuse(
            "install drive",
            f"this machine has no volume for {seen.got.install_dir}",
            "The drives must be the same as before: the site looks for its files in their old places.",
        )
        return
    best = max(holding, key=lambda one: len(one.name))
    if best.free < seen.got.bytes:
        yield _refuse(
            "install drive",
            f"{best.name} has {show_size(best.free)} free, the set has {show_size(seen.got.bytes)}",
            "Setup would run out of space halfway.",
        )
    else:
        yield _pass("install drive", f"{best.name}, {show_size(best.free)} free")


def input_of_microsofts_tool(seen: RecoveryMachine) -> Iterator[Check]:
    """2007's wizard accepts only sets of the backup task; setup accepts both kinds."""
    got = seen.got
    if got.product == "2007" and got.kind != "task":
        yield _refuse(
            "kind of set",
            f"{got.id} is a {got.kind} set",
            "The Site Repair Wizard of ConfigMgr 2007 accepts only the backup of its own backup task.",
            hint="choose a set of kind task: `sitekeeper backups list`",
        )
    else:
        yield _pass("kind of set", got.kind)


def last_drill(seen: RecoveryMachine) -> Iterator[Check]:
    """A set that failed in a drill would fail here too."""
    how = seen.got.drilled
    if how == "failed":
        yield _refuse(
            "last drill",
            f"the last drill of {seen.got.id} failed",
            "The evidence of that drill has the reason: a site recovered from this set would have the same fault.",
            hint="choose another set (`sitekeeper backups list`), or drill this one again after you have found the cause",
        )
    elif not how:
        yield Check(
            name="last drill",
            status="warning",
            said=f"{seen.got.id} was never drilled",
            consequence="It is not proved that its database can be brought up and is the right one.",
            hint="drill it with playbooks/drill.yml",
        )
    else:
        yield _pass("last drill", "the last drill passed")


def build(seen: RecoveryMachine) -> Iterator[Check]:
    """Current branch: the setup of the set's own CD.Latest has the build of its database."""
    got = seen.got
    if got.product == "2007":
        return
    if build_of(got.version) < FIRST_WITH_CD_LATEST and not seen.cd_latest:
        yield _refuse(
            "CD.Latest",
            f"version {got.version} has no CD.Latest, but setup runs from it",
            "This version is recovered from its own installation media, which is in no backup.",
            hint="extract the set (`sitekeeper backups get`), and run the setup of that media manually",
        )
    elif build_of(seen.cd_latest) != build_of(got.version):
        yield _refuse(
            "CD.Latest",
            f"its setup is {seen.cd_latest or 'missing'}, the site is {got.version}",
            "Setup recovers a database only with its own build.",
        )
    else:
        yield _pass("CD.Latest", seen.cd_latest)


def identity(seen: RecoveryMachine) -> Iterator[Check]:
    """On another installation of Windows the stored passwords cannot be read."""
    if seen.same_windows:
        yield _pass("machine identity", "the same installation of Windows")
        return
    meaning = (
        "The keys of srvacct were in the old Windows: keep the new srvacct, and set the password of every account again (KB 2509330)."
        if seen.got.product == "2007"
        else "Stored passwords cannot be decrypted: set the password of every account again."
    )
    yield Check(name="machine identity", status="warning", said="another installation of Windows", consequence=meaning)


def _normalise(version: str) -> str:
    """Normalise a version: registry and programs write it with different zeros (4.00.6487.2000, 4.0.6487.2000)."""
    return ".".join(str(number) for number in _numbers(version))


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdigit()]


ALL: tuple[Callable[[RecoveryMachine], Iterator[Check]], ...] = (
    name,
    site_code,
    kind_of_site,
    input_of_microsofts_tool,
    last_drill,
    live_site,
    sql_edition,
    sql_version,
    collation,
    database,
    install_drive,
    build,
    identity,
)
