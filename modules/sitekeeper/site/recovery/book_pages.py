"""The contents of a recovery book: who does what in which order, what to enter again, and what is lost.

From Microsoft Learn, "Recover a site", "Unattended site recovery" and "The CD.Latest folder" (2012 and current branch), the
help of ConfigMgr 2007 on recovery and site reset, and KB 2509330 (srvacct). What is known only from field notes is marked.
"""

from __future__ import annotations

from collections.abc import Iterator

from sitekeeper.engine.plan import Record
from sitekeeper.model.store import ExtractedSet
from sitekeeper.site.learning.build import FIRST_WITH_CD_LATEST, build_of


class BookStep(Record):
    """One step."""

    who: str
    """The operator, the database administrator, or sitekeeper."""
    what: str
    how: str = ""
    """Commands and places, word for word."""


class RecoveryPlace(Record):
    """What is known about the target machine, and where things are on it."""

    host: str
    same_windows: bool
    installed: str
    media: str
    """The copy of CD.Latest; empty for 2007."""
    backup: str
    """The task's backup; empty if none is staged."""
    script: str
    """The recovery script; empty for 2007."""
    saved: str
    """Where the former files are saved; empty if there were none."""
    accounts: bool = False
    """Whether the srvacct folder of the installed site is saved there."""
    folder: str = ""
    """The staging folder of the recovery."""
    database: str = ""
    """Folder of the database that was brought up manually; empty without one."""


def list_steps(got: ExtractedSet, place: RecoveryPlace) -> Iterator[BookStep]:
    """List the steps, in order."""
    yield BookStep(
        who="operator",
        what="Tell the administrators of the parent and of all child sites that this site is being recovered.",
        how="Do not uninstall the old site in their consoles: that removes its entry, and its data with it.",
    )
    yield from _steps_2007(got, place) if got.product == "2007" else _steps_setup(got, place)
    yield BookStep(
        who="sitekeeper",
        what="Compare the recovered site with the set.",
        how=f"sitekeeper run playbooks/compare.yml -i INVENTORY --limit {place.host} -e set={got.id}",
    )
    if place.folder:
        yield BookStep(
            who="operator",
            what="Delete the staging folder: it contains the site's keys, and the product key in the script of setup.",
            how=place.folder,
        )


def _steps_2007(got: ExtractedSet, place: RecoveryPlace) -> Iterator[BookStep]:
    if not place.installed:
        yield BookStep(
            who="operator",
            what="Install ConfigMgr 2007 again, exactly as it was.",
            how=f"Server name {got.machine.name}, site code {got.site}, version {got.version}, folder {got.install_dir}, the same drives; "
            f"database server {got.database.component if got.database else 'as before'}.",
        )
    needless = " (the set is of this installation of Windows, so it may not be needed)" if place.same_windows else ""
    kept = f"{place.saved}\\srvacct" if place.accounts else "a folder that only administrators can read"
    yield BookStep(
        who="sitekeeper" if place.accounts else "operator",
        what="Save the new srvacct folder before anything is restored.",
        how=(f"It is saved in {kept}" if place.accounts else f"Copy {got.install_dir}\\srvacct to {kept}") + needless,
    )
    yield BookStep(
        who="operator",
        what="Run the Site Repair Wizard on the site server itself, and give it the backup of the task.",
        how=f"Start menu, ConfigMgr Site Repair Wizard; site backup: {place.backup or 'copy the set of kind task there first'}",
    )
    if not place.same_windows:
        yield BookStep(
            who="operator",
            what="Copy the new srvacct folder back over the restored one.",
            how="The keys that open the old one were in the old Windows (KB 2509330). "
            f"Stop the services, copy it from {kept} back to {got.install_dir}\\srvacct.",
        )
    yield BookStep(
        who="operator",
        what="Reset the site. It is mandatory after the Site Repair Wizard.",
        how="Start menu, ConfigMgr Setup: perform site maintenance or reset; then read ConfigMgrSetup.log in the root of the system drive. "
        "Export custom status filter rules first: a reset may set them to their defaults.",
    )
    if not place.same_windows:
        yield BookStep(
            who="operator",
            what="For every account in the console: clear its password, apply, set it again.",
            how="network access account, site address accounts, database and client push accounts",
        )


def _steps_setup(got: ExtractedSet, place: RecoveryPlace) -> Iterator[BookStep]:
    yield BookStep(
        who="operator",
        what="Check that nothing of an earlier installation is left on the server.",
        how=r"No key HKLM\SOFTWARE\Microsoft\SMS, no keys SMS* below HKLM\SYSTEM\CurrentControlSet\Services, no console; "
        "restart after cleaning.",
    )
    if got.kind == "snapshot":
        yield BookStep(
            who="sitekeeper",
            what="Attach the database of the set under its own name (setup calls this manually recovered, option 20).",
            how=f"{got.database.name if got.database else 'the database'}; broker and TRUSTWORTHY are set again by setup. "
            f"Its files stay in {place.database}: never delete that folder.",
        )
    yield BookStep(
        who="sitekeeper",
        what="Run setup from the copy of CD.Latest, outside of the install folder, as the account of the task sitekeeper-setup.",
        how=f'"{place.media}\\SMSSETUP\\BIN\\X64\\setup.exe" /script "{place.script}"',
    )
    yield BookStep(
        who="operator",
        what="Do what setup lists at its end.",
        how="ConfigMgrPostRecoveryActions.html in the root of the system drive of the site server",
    )


def list_to_enter(got: ExtractedSet) -> Iterator[str]:
    """List what is in no backup and must be entered or created again."""
    yield "the passwords of all accounts"
    if got.product != "2007":
        yield "passwords in task sequences and of PXE; sideloading keys"
        yield "secrets of Azure services (cloudmgr.log names them), certificates of distribution points, HTTPS bindings in IIS"
        yield "hotfixes that were installed outside of the console"
        yield "database replicas for management points"
    yield "Reporting Services: databases, encryption keys, custom reports"
    yield "content: package sources and the content library, to the same paths, before packages are sent out again"
    if got.product != "2007" and build_of(got.version) < FIRST_WITH_CD_LATEST:
        yield "the installation media of exactly this version: 2012 has no CD.Latest"


def list_lost(got: ExtractedSet) -> Iterator[str]:
    """List what is lost."""
    yield f"changes after {got.taken_at}, unless another site of the hierarchy has them"
    if got.product == "2007":
        yield "metering rules, reports and queries created since then: the Site Repair Wizard does not take them from other sites"
    yield "logs of other site systems; WSUS (SUSDB), unless it has its own backup"


def as_text(got: ExtractedSet, place: RecoveryPlace) -> str:
    """The book as plain text, for readers with only a console."""
    lines = [f"Recovery of site {got.site} on {place.host}, from set {got.id} of {got.taken_at}", ""]
    for number, step in enumerate(list_steps(got, place), 1):
        lines += [f"{number}. [{step.who}] {step.what}", *([f"   {step.how}"] if step.how else []), ""]
    for title, rows in (("To be entered again", list_to_enter(got)), ("Cannot come back", list_lost(got))):
        lines += [f"{title}:", *(f"  - {row}" for row in rows), ""]
    return "\n".join(lines)
