"""By which rules a machine is refused as the place to recover a site to. Each is named, and says its consequence.

Microsoft Learn, "Recover a site" (current branch) and "Unattended site recovery"; for 2007 the product's help on site
repair and site reset, KB 2509330 (srvacct) and KB Q201603 (serial numbers).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from sitekeeper.engine.plan import Check
from sitekeeper.model.site import Machine, ServiceFacts, Volume
from sitekeeper.model.store import ExtractedSet
from sitekeeper.site.learning.build import FIRST_WITH_CD_LATEST, build_of
from sitekeeper.site.recovery import installed_anew
from sitekeeper.site.recovery.installed_anew import DatabaseAge


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryMachine:
    """A machine and its SQL Server, as they are now."""

    got: ExtractedSet
    expected: str | None
    """The site code that the inventory gives this host."""
    machine: Machine
    services: tuple[ServiceFacts, ...]
    volumes: tuple[Volume, ...]
    installed: str
    """Install folder of the site that is installed here; empty where there is none."""
    installed_code: str
    installed_version: str
    installed_database: str
    """Its server and name, as the registry names them."""
    site_database: DatabaseAge
    """Of a site of 2007 that is installed here: how old its database is."""
    sql_version: str
    sql_edition: str
    sql_collation: str
    databases: tuple[str, ...]
    cd_latest: str
    """Version of the setup in the set's CD.Latest; empty where it has none."""
    now: datetime

    @property
    def same_windows(self) -> bool:
        """Whether it is the same installation of Windows: the keys of srvacct are kept in it."""
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
            f"this is {now}, the set is of {was}",
            "A recovered site must have the name that it had: clients and other sites look for it there.",
        )
    else:
        yield _pass("name", now)


def site_code(seen: RecoveryMachine) -> Iterator[Check]:
    """The set is of the site that the inventory has here."""
    if seen.expected != seen.got.site:
        yield _refuse(
            "site code",
            f"the inventory has {seen.expected or 'no site'} here, the set is of {seen.got.site}",
            "Another site would be recovered than the one that was lost.",
        )
    else:
        yield _pass("site code", seen.got.site)


def kind_of_site(seen: RecoveryMachine) -> Iterator[Check]:
    """A secondary site is recovered from its parent, and from no backup: setup would make a primary site of it."""
    got = seen.got
    if got.site_type != "secondary":
        yield _pass("kind of site", got.site_type)
    elif got.product == "2007":
        yield _refuse(
            "kind of site",
            f"{got.site} is a secondary site of 2007, which has no database of its own",
            "No tool of Microsoft's is known to take a set of it.",
            hint="install it again from its primary site; what is of use in the set: sitekeeper backups get",
        )
    else:
        yield _refuse(
            "kind of site",
            f"{got.site} is a secondary site",
            "Microsoft supports no recovery of it from a backup: setup would bring it up as a primary site.",
            hint="console of its primary site, Administration, Sites: Recover Secondary Site",
        )


def live_site(seen: RecoveryMachine) -> Iterator[Check]:
    """Nothing is ever laid over a site that runs, or over one that was installed anew."""
    services = [one.name for one in seen.services if one.name.upper().startswith("SMS_")]
    if seen.got.product == "2007":
        yield from _site_of_2007(seen)
    elif seen.installed or services:
        yield _refuse(
            "no site",
            f"a site is installed in {seen.installed or 'a place that it does not name'}",
            "Old data laid over it would roll its serial numbers back: parent and children would reject what it sends.",
            hint="a server that is used again is cleaned first: "
            "the keys HKLM\\SOFTWARE\\Microsoft\\SMS and Services\\SMS*, console, restart",
        )
    else:
        yield _pass("no site", "no site is installed here")


def _site_of_2007(seen: RecoveryMachine) -> Iterator[Check]:
    """The Site Repair Wizard works on a site that was installed anew as the lost one was."""
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
            "The Site Repair Wizard needs a site that is installed exactly as the lost one was.",
        )
    else:
        yield _pass("installed site", f"{got.site} {got.version} in {seen.installed}")
        yield _check_installed_anew(seen)


def _check_installed_anew(seen: RecoveryMachine) -> Check:
    """A site that lives is none that may be stopped, and repaired with what it was before."""
    taken = datetime.fromisoformat(seen.got.taken_at)
    why = installed_anew.why_not_anew(seen.site_database, taken)
    if why:
        return _refuse(
            "installed anew",
            why,
            "Old data laid over a site that lives would roll its serial numbers back: parent and children would reject what it sends.",
            hint="only a site that was installed anew after the set was taken is repaired from it: install it anew first",
        )
    return _pass("installed anew", f"its database was created at {seen.site_database.created:%Y-%m-%d %H:%M} UTC")


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
    """The server must sort as the database does."""
    known = seen.got.database
    if known is None:
        return
    if seen.sql_collation != known.collation:
        yield _refuse(
            "collation",
            f"the server has {seen.sql_collation}, the database {known.collation}",
            "ConfigMgr's queries fail where server and database sort differently.",
        )
    else:
        yield _pass("collation", seen.sql_collation)


def database(seen: RecoveryMachine) -> Iterator[Check]:
    """Setup fails where the database exists already; ours must not take another one's place."""
    known = seen.got.database
    if known is None or seen.got.product == "2007":
        return
    if known.name.lower() in {one.lower() for one in seen.databases}:
        yield _refuse(
            "no database",
            f"{known.name} exists on this server already",
            "Setup does not restore over an existing database, and neither do we.",
            hint="detach it and put its files away, if it is of no use any more",
        )
    else:
        yield _pass("no database", f"no {known.name} on this server")


def install_drive(seen: RecoveryMachine) -> Iterator[Check]:
    """There is a volume for the install folder, with room."""
    path = seen.got.install_dir.lower()
    holding = [one for one in seen.volumes if f"{path}\\".startswith(one.name.lower())]
    if not holding:
        yield _refuse(
            "install drive",
            f"{seen.got.install_dir} lies on no volume of this machine",
            "The drives must be laid out as before: the site looks for its files where they were.",
        )
        return
    best = max(holding, key=lambda one: len(one.name))
    if best.free < seen.got.bytes:
        yield _refuse(
            "install drive",
            f"{best.name} has {best.free} bytes free, the set has {seen.got.bytes}",
            "Setup would run out of room half-way.",
        )
    else:
        yield _pass("install drive", f"{best.name}, {best.free // 2**30} GiB free")


def input_of_microsofts_tool(seen: RecoveryMachine) -> Iterator[Check]:
    """2007's wizard takes what the backup task made, and nothing else; setup takes both kinds."""
    got = seen.got
    if got.product == "2007" and got.kind != "task":
        yield _refuse(
            "kind of set",
            f"{got.id} is a {got.kind} set",
            "The Site Repair Wizard of ConfigMgr 2007 takes only what its own backup task made.",
            hint="name a set of kind task: sitekeeper backups list",
        )
    else:
        yield _pass("kind of set", got.kind)


def last_drill(seen: RecoveryMachine) -> Iterator[Check]:
    """A set that did not restore in a drill does not restore here either."""
    how = seen.got.drilled
    if how == "failed":
        yield _refuse(
            "last drill",
            f"{seen.got.id} did not restore when it was tried",
            "What is wrong with it stands in the evidence of that drill: a site recovered from it would have the same fault.",
            hint="take another set (sitekeeper backups list), or drill this one again after you know why",
        )
    elif not how:
        yield Check(
            name="last drill",
            status="warning",
            said=f"{seen.got.id} was never tried",
            consequence="That its database comes up and is the right one is not proved.",
            hint="playbooks/drill.yml",
        )
    else:
        yield _pass("last drill", "it restored when it was tried")


def build(seen: RecoveryMachine) -> Iterator[Check]:
    """Current branch: the setup of the set's own CD.Latest has the build of its database."""
    got = seen.got
    if got.product == "2007":
        return
    if build_of(got.version) < FIRST_WITH_CD_LATEST and not seen.cd_latest:
        yield _refuse(
            "CD.Latest",
            f"{got.version} has none, and setup is run from it",
            "This version is recovered from its own installation media, which no backup holds.",
            hint="get the set (sitekeeper backups get) and run the setup of that media by hand",
        )
    elif build_of(seen.cd_latest) != build_of(got.version):
        yield _refuse(
            "CD.Latest",
            f"its setup is {seen.cd_latest or 'not there'}, the site {got.version}",
            "Setup recovers only a database of its own build.",
        )
    else:
        yield _pass("CD.Latest", seen.cd_latest)


def identity(seen: RecoveryMachine) -> Iterator[Check]:
    """On another installation of Windows the stored passwords cannot be read any more."""
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
    """Registry and programs write one version with more zeros and with fewer: 4.00.6487.2000, 4.0.6487.2000."""
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
