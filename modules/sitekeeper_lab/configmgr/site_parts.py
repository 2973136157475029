"""What a site server of the lab is made of: put up and taken down by those who install, wreck and recover it."""

from __future__ import annotations

import random
import shutil
from typing import Protocol

from sitekeeper_lab.configmgr import serials
from sitekeeper_lab.configmgr.backup_task import BackupTask
from sitekeeper_lab.configmgr.life import SiteLife
from sitekeeper_lab.configmgr.setup_script import Refused
from sitekeeper_lab.configmgr.site import add_sql_backup, database_name, install_site, site_registry
from sitekeeper_lab.configmgr.tree import make_tree, windows_id
from sitekeeper_lab.hierarchy import Hierarchy, SiteSpec
from sitekeeper_lab.machine import Machine
from sitekeeper_lab.pulse import Pulse
from sitekeeper_lab.sql.database import Database, Instance, create_site_database
from sitekeeper_lab.windows.model import DatabaseFile


class Laboratory(Protocol):
    """What a recovery needs of the lab around it."""

    @property
    def hierarchy(self) -> Hierarchy:
        """What the lab is made after."""

    @property
    def machines(self) -> dict[str, Machine]:
        """All hosts."""

    @property
    def pulse(self) -> Pulse:
        """What lets its sites live."""

    @property
    def lives(self) -> list[SiteLife]:
        """The living sites."""

    @property
    def backups(self) -> list[BackupTask]:
        """What waits for their backup services."""


class SiteParts:
    """What a site server of the lab is made of."""

    def __init__(self, lab: Laboratory, name: str) -> None:
        spec = lab.hierarchy.hosts[name].site
        if spec is None:
            raise ValueError(f"{name} has no site")
        self.lab = lab
        self.spec: SiteSpec = spec
        self.machine = lab.machines[name]
        self.host = self.machine.host
        self.holder = lab.machines[spec.database_host or name]
        self.name = database_name(spec)

    @property
    def instance(self) -> Instance:
        """The SQL Server of the site database."""
        if self.holder.instance is None:
            raise ValueError(f"{self.holder.host.name} has no SQL Server")
        return self.holder.instance

    # What may be asked of a site.

    @property
    def passwords_readable(self) -> bool:
        """Whether the site can decrypt its accounts: srvacct's keys belong to this installation of Windows (KB 2509330)."""
        file = f"{self.spec.install}\\srvacct\\srvacct.{self.spec.code}"
        return self.host.exists(file) and self.host.read(file).startswith(windows_id(self.host).bytes)

    def member(self) -> serials.Member | None:
        """This site among the others of its hierarchy; None where it has no database."""
        database = self.holder.site_databases.get(self.spec.code)
        if database is None:
            return None
        site = self.host.machine.site
        silent = "no site is installed" if site is None else "the site reset was left out" if site.reset_needed else ""
        return serials.Member(self.spec.code, self.spec.parent, database, silent)

    def _dice(self) -> random.Random:
        return random.Random(f"{self.lab.hierarchy.seed} {self.host.name} {self.host.now()}")  # noqa: S311 - no secret

    def _make_site(self, dice: random.Random) -> None:
        with self.host.io_lock, self.host.lock:
            install_site(self.host.machine, self.spec, self.holder.host.name, dice)
            add_sql_backup(self.holder.host.machine, self.host.name, self.spec)
            make_tree(self.host, self.spec, dice)
            site_registry(self.host.registry, self.host.machine, self.spec, self.instance.name, self.lab.hierarchy.dns)
            self.host.registry.save()
            self.host.change("site", self.spec.code, None, "installed")

    def _open_database(self) -> None:
        spec = self.spec
        self.holder.site_databases[spec.code] = create_site_database(
            self.instance,
            spec.code,
            data_dir=spec.data,
            log_dir=spec.log,
            generation=str(spec.generation),
            server=self.host.name,
            parent=spec.parent or "",
            version=spec.full_version,
        )
        self._note_databases()

    def _attach(self) -> None:
        self.instance.attach_database(
            self.name, data=f"{self.spec.data}\\{self.name}.mdf", log=f"{self.spec.log}\\{self.name}_log.ldf"
        )

    def _database(self) -> Database:
        found = self.instance.database(self.name)
        if found is None:
            raise Refused(f"there is no database {self.name}")
        self.holder.site_databases[self.spec.code] = found
        self._note_databases()
        return found

    def _note_databases(self) -> None:
        """What the SQL writer sees of this machine's databases: a recovered one lies elsewhere than it did."""
        host = self.holder.host
        host.databases = list(self.instance.databases.values())
        for facts in host.machine.databases:
            found = self.instance.database(facts.name)
            if found is not None:
                facts.files = [DatabaseFile(one.logical, one.kind, one.physical) for one in found.files]
                host.machine.mutable += [
                    path for one in facts.files if (path := one.physical.lower()) not in host.machine.mutable
                ]

    def _drop_database(self) -> None:
        found = self.holder.site_databases.pop(self.spec.code, None) or self.instance.database(self.name)
        if found is None:
            return
        self.instance.detach_database(found.name)
        self._note_databases()
        for file in found.files:
            file.path.unlink(missing_ok=True)

    def _forget_files(self, folder: str) -> None:
        if self.host.exists(folder):
            shutil.rmtree(self.host.files.resolve(folder))
        base = folder.lower()
        kept = {key: value for key, value in self.host.machine.metadata.items() if not key.startswith(f"{base}\\")}
        self.host.machine.metadata.clear()
        self.host.machine.metadata.update(kept)
        for path in [one for one in self.host.machine.acls if one == base or one.startswith(f"{base}\\")]:
            del self.host.machine.acls[path]

    def _forward(self, database: Database) -> None:
        mine = serials.Member(self.spec.code, self.spec.parent, database)
        around = [
            (self.lab.machines[spec.site.database_host or name], spec.site)
            for name, spec in self.lab.hierarchy.hosts.items()
            if spec.site is not None and (spec.site.code == self.spec.parent or spec.site.parent == self.spec.code)
        ]
        others = [
            serials.Member(site.code, site.parent, holder.site_databases[site.code])
            for holder, site in around
            if site.code in holder.site_databases
        ]
        serials.forward(mine, others)

    def _stop_life(self) -> None:
        for life in [one for one in self.lab.lives if one.host is self.host]:
            life.stop()
            self.lab.lives.remove(life)
        for task in [one for one in self.lab.backups if one.host is self.host]:
            task.stop()
            task.forget()
            self.lab.backups.remove(task)

    def _start_life(self) -> None:
        database = self.holder.site_databases[self.spec.code]
        life, task = SiteLife(self.host, database, self.lab.pulse), BackupTask(self.host, database)
        self.lab.lives.append(life)
        self.lab.backups.append(task)
        life.start()
        task.start()
