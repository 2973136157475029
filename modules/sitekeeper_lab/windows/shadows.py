"""Shadow copies of a lab host: frozen at one instant, found again, exposed, dropped, lost when their diff area runs over.

A frozen tree is real files below ``shadows/<id>``; ``freeze`` says how it comes to be.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterable, Sequence

from sitekeeper_lab.host import Host
from sitekeeper_lab.windows.freeze import Spares
from sitekeeper_lab.windows.model import Metadata, ShadowCopy, Volume

OK, INVALID, NO_VOLUME, BAD_CONTEXT, NO_STORAGE, IN_PROGRESS = 0, 2, 3, 5, 6, 9
"""Win32_ShadowCopy.Create's return values (Microsoft's page of the method)."""
_LEAST_DIFF = 300 * 2**20


class ShadowCopies:
    """The shadow copies of one host."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.spares = Spares(host.folder)

    def prepare(self) -> None:
        """Make a spare tree of each volume, so that the first copies take no longer on a big site than on a small one."""
        for volume in self.host.machine.volumes:
            self.spares.prepare(volume.id, self.host.folder / volume.folder)

    def watch(self) -> None:
        """From now on let diff areas run over when the lab writes more than they hold."""
        self.host.on_written.append(self._check_diff_area)

    def create_one(self, volume: str, context: str) -> tuple[int, ShadowCopy | None]:
        """Win32_ShadowCopy.Create: (ReturnValue, the copy). ClientAccessible involves no writers."""
        if context.lower() != "clientaccessible":
            return BAD_CONTEXT, None
        try:
            volume_id = self.host.files.volume_id(volume)
        except FileNotFoundError:
            return NO_VOLUME, None
        if self.host.faults.take("snapshot_in_progress"):
            return IN_PROGRESS, None
        if self.host.faults.take("snapshot_fails"):
            return NO_STORAGE, None
        copies = self.freeze([volume_id], client_accessible=True, writers=False)
        if self.host.faults.take("vanish_after_create"):
            self.run_over()
        return OK, copies[0]

    def freeze(
        self,
        volume_ids: Sequence[str],
        *,
        client_accessible: bool,
        writers: bool,
        persistent: bool = True,
        frozen: Callable[[], None] | None = None,
    ) -> list[ShadowCopy]:
        """Make one copy of each volume, all of the same instant. ``frozen`` is called while nothing can be written."""
        host = self.host
        set_id = str(uuid.uuid4())
        with host.io_lock:
            if frozen is not None:
                frozen()
            with host.lock:
                created = host.now().isoformat()
                made = [
                    self._copy(volume_id, set_id, created, len(volume_ids), client_accessible, writers, persistent)
                    for volume_id in volume_ids
                ]
                for copy in made:
                    host.machine.shadows.append(copy)
                    for storage in host.machine.storages:
                        if storage.volume_id == copy.volume_id:
                            storage.allocated = max(storage.allocated, min(_LEAST_DIFF, storage.maximum))
                host.change("shadow", set_id, None, [copy.id for copy in made])
        return made

    def _copy(
        self,
        volume_id: str,
        set_id: str,
        created: str,
        count: int,
        client_accessible: bool,
        writers: bool,
        persistent: bool,
    ) -> ShadowCopy:
        machine = self.host.machine
        volume = next(volume for volume in machine.volumes if volume.id == volume_id)
        copy_id = str(uuid.uuid4())
        folder = f"shadows/{copy_id}"
        (self.host.folder / "shadows").mkdir(exist_ok=True)
        prefix = volume.name.lower()
        mutable = tuple(p.removeprefix(prefix).replace("\\", "/") for p in machine.mutable if p.startswith(prefix))
        self.spares.freeze(volume.id, self.host.folder / volume.folder, self.host.folder / folder, mutable)
        notes = {
            path.removeprefix(prefix): Metadata(note.attributes, note.written)
            for path, note in machine.metadata.items()
            if path.startswith(prefix)
        }
        number = machine.next_device
        machine.next_device += 1
        return ShadowCopy(
            copy_id,
            set_id,
            volume_id,
            number,
            created,
            folder,
            count,
            client_accessible,
            writers,
            persistent,
            metadata=notes,
        )

    def find(self, copy_id: str) -> ShadowCopy | None:
        """A copy by its id (no braces, any case)."""
        return next((copy for copy in self.host.machine.shadows if copy.id == copy_id.lower()), None)

    def of_set(self, set_id: str) -> list[ShadowCopy]:
        """The copies of a set that are still there."""
        return [copy for copy in self.host.machine.shadows if copy.set_id == set_id.lower()]

    def expose(self, copy: ShadowCopy, folder: str) -> None:
        """Mount a copy in an empty folder.

        Raises:
            OSError: there is no such folder, or it is not empty.

        """
        with self.host.io_lock, self.host.lock:
            real = self.host.files.resolve(folder)
            real.rmdir()
            target = os.path.relpath(self.host.folder / copy.folder, real.parent)
            real.symlink_to(target, target_is_directory=True)
            copy.exposed = folder.rstrip("\\") + "\\"
            self.host.change("shadow", copy.id, "not exposed", copy.exposed)

    def unmount(self, folder: str) -> bool:
        """Take a mount point away and leave the empty folder, as ``mountvol /D`` does; False if it is none."""
        with self.host.io_lock, self.host.lock:
            real = self.host.files.resolve(folder)
            if not real.is_symlink():
                return False
            real.unlink()
            real.mkdir()
            name = folder.rstrip("\\").lower() + "\\"
            for copy in self.host.machine.shadows:
                if copy.exposed is not None and copy.exposed.lower() == name:
                    copy.exposed = None
            self.host.change("mount", folder, "mounted", "not mounted")
            return True

    def delete(self, copy_id: str) -> bool:
        """Drop a copy; False if there is none of that id. Its mount point, if any, is left behind and leads nowhere."""
        copy = self.find(copy_id)
        if copy is None:
            return False
        self._drop([copy])
        return True

    def run_over(self, volume_id: str | None = None) -> None:
        """The diff area of a volume (of all) ran over: all its copies vanish, and volsnap says so."""
        machine = self.host.machine
        gone = [copy for copy in machine.shadows if volume_id is None or copy.volume_id == volume_id]
        names = {copy.volume_id for copy in gone}
        self._drop(gone)
        for volume in machine.volumes:
            if volume.id in names:
                self._tell(volume)

    def _check_diff_area(self, volume_id: str) -> None:
        if self.host.faults.take("shadow_storage_full"):
            self.run_over()
            return
        with self.host.lock:
            storage = next((s for s in self.host.machine.storages if s.volume_id == volume_id), None)
            if storage is None:
                return
            copies = [copy for copy in self.host.machine.shadows if copy.volume_id == volume_id]
            storage.used = sum(copy.diff_bytes for copy in copies)
            full = bool(copies) and storage.used > storage.maximum
        if full:
            self.run_over(volume_id)

    def _drop(self, copies: Iterable[ShadowCopy]) -> None:
        host = self.host
        with host.lock:
            dropped = [copy for copy in copies if copy in host.machine.shadows]
            for copy in dropped:
                host.machine.shadows.remove(copy)
            for storage in host.machine.storages:
                storage.used = sum(c.diff_bytes for c in host.machine.shadows if c.volume_id == storage.volume_id)
            if dropped:
                host.change("shadow", ", ".join(copy.id for copy in dropped), "there", "gone")
        for copy in dropped:
            self.spares.give_back(copy.volume_id, host.folder / copy.folder)

    def _tell(self, volume: Volume) -> None:
        # Texts of volsnap 25 and 36, as Windows writes them; the inserts are the device and the mount name.
        name = volume.letter or volume.name.rstrip("\\")
        aborted = (
            f"The shadow copies of volume {name} were aborted because the shadow copy storage could not grow due to a "
            "user imposed limit."
        )
        deleted = (
            f"The shadow copies of volume {name} were deleted because the shadow copy storage could not grow in time.  "
            "Consider reducing the IO load on the system or choose a shadow copy storage volume that is not being "
            "shadow copied."
        )
        for code, text in ((36, aborted), (25, deleted)):
            self.host.log_event("System", "volsnap", code, 1, text, "\\Device\\HarddiskVolumeShadowCopy", name)
