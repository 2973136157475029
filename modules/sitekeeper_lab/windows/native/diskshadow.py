r"""diskshadow.exe /s SCRIPT, with the verbs that backup scripts use, answering in the recorded form.

Recorded: banner, echo of each line, the answers of CREATE and EXPOSE with their tabs, the cabinet's lines under SET
VERBOSE ON. Published: what a failed operation prints (openzfsonwindows/openzfs issue 406, Windows 11), and what is said of a
component whose volume is not in the set (restic/restic issue 340). Not recorded: every exit code but 0 (a script that ran
into an error ends with 0 here, too: the caller must look).
A line that ends without CR loses its last character, as seen on real machines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sitekeeper_lab.host import Host
from sitekeeper_lab.windows.model import ShadowCopy
from sitekeeper_lab.windows.native.answer import Answer, NotEmulated
from sitekeeper_lab.windows.native.batch import expanded, run_batch
from sitekeeper_lab.windows.native.cabinet import pack
from sitekeeper_lab.windows.vss import Vss, VssError

_PROVIDER = "{b5946137-7b9f-4925-af80-51abd60b20d5}"
_YEARS = {(6, 0): "2007", (6, 1): "2007"}


def diskshadow(arguments: Sequence[str], host: Host) -> Answer:
    """Run a script."""
    if len(arguments) != 2 or arguments[0].lower() not in {"/s", "-s"}:
        raise NotEmulated(f"diskshadow.exe {' '.join(arguments)}")
    return _Session(host).run(arguments[1])


class _Ended(Exception):  # noqa: N818  # no fault of ours: the session is over
    """The session ended at this line."""


@dataclass(slots=True)
class _Session:
    host: Host
    lines: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    volumes: list[tuple[str, str | None]] = field(default_factory=list)
    excluded: set[str] = field(default_factory=set)
    verified: set[str] = field(default_factory=set)
    verbose: bool = False
    persistent: bool = False
    with_writers: bool = True
    full: bool = False
    metadata: str | None = None
    copies: list[ShadowCopy] = field(default_factory=list)

    def run(self, path: str) -> Answer:
        host = self.host
        now = host.now() + timedelta(minutes=host.machine.os.bias)
        self.lines += [
            "Microsoft DiskShadow version 1.0",
            f"Copyright (C) {_YEARS.get(host.machine.os.level, '2013')} Microsoft Corporation",
            f"On computer:  {host.name},  {host.machine.os.written(now)}",
            "",
        ]
        try:
            for raw in host.read(path).decode("ascii").split("\n"):
                line = raw[:-1]  # the CR; without one, the last letter is lost
                if line.strip():
                    self.lines.append(f"-> {line}")
                    self._line(line.strip())
        except _Ended:
            pass
        for copy in self.copies:
            if not copy.persistent:
                Vss(host).shadows.delete(copy.id)
        return Answer(self.lines)

    def _line(self, line: str) -> None:
        words = line.split()
        head = words[0].lower()
        if head.startswith("#") or head == "rem":
            return
        verbs: dict[str, Callable[[list[str], str], None]] = {
            "set": self._set,
            "writer": self._writer,
            "begin": self._begin,
            "end": self._end,
            "add": self._add,
            "create": self._create,
            "exec": self._exec,
            "expose": self._expose,
            "delete": self._delete,
            "exit": self._exit,
        }
        if head not in verbs:
            raise NotEmulated(f"diskshadow's {line!r}")
        verbs[head](words, line)

    def _set(self, words: list[str], line: str) -> None:
        match [word.lower() for word in words[1:]]:
            case ["verbose", ("on" | "off") as state]:
                self.verbose = state == "on"
            case ["context", ("persistent" | "volatile") as context, *rest] if rest in ([], ["nowriters"]):
                self.persistent = context == "persistent"
                self.with_writers = not rest
            case ["option", "noautorecover"]:
                pass
            case ["metadata", *_]:
                self.metadata = line.split(None, 2)[2]
                if not self.host.exists(self.metadata.rpartition("\\")[0] + "\\"):
                    self.lines.append("The metadata file name path specifies a directory that is read-only.")
                    self.metadata = None
            case _:
                raise NotEmulated(f"diskshadow's {line!r}")

    def _writer(self, words: list[str], line: str) -> None:
        name = line.split(None, 2)[2].strip('"').strip("{}").lower()
        if words[1].lower() == "exclude":
            self.excluded.add(name)
        elif words[1].lower() == "verify":
            self.verified.add(name)
        else:
            raise NotEmulated(f"diskshadow's {line!r}")

    def _begin(self, words: list[str], line: str) -> None:
        if [word.lower() for word in words] != ["begin", "backup"]:
            raise NotEmulated(f"diskshadow's {line!r}")
        self.full = True

    def _end(self, words: list[str], line: str) -> None:
        if [word.lower() for word in words] != ["end", "backup"]:
            raise NotEmulated(f"diskshadow's {line!r}")

    def _add(self, words: list[str], line: str) -> None:
        rest = line.split(None, 2)
        if rest[1].lower() != "volume":
            raise NotEmulated(f"diskshadow's {line!r}")
        name, at, alias = rest[2].partition(" alias ")
        self.volumes.append((self.host.files.volume_id(name.strip()), alias.strip() if at else None))
        del words

    def _create(self, words: list[str], line: str) -> None:
        del words, line
        vss = Vss(self.host)
        there = {key for writer in vss.writers() for key in (writer.id, writer.name.lower())}
        missing = {name for name in self.verified if name not in there or name in self.excluded}
        if missing:
            # That CREATE fails is documented; its words are not recorded.
            self.lines.append(f"emulator: CREATE fails, writer not included: {', '.join(sorted(missing))}")
            raise _Ended
        try:
            made = vss.create(
                [volume for volume, _ in self.volumes],
                excluded=frozenset(self.excluded),
                with_writers=self.with_writers,
                full=self.full,
                persistent=self.persistent,
            )
        except VssError as error:
            self.lines += [
                "The last operation failed.",
                f"- Returned HRESULT: {error.code:x}",
                f"- Error text: {error.name}",
            ]
            raise _Ended from error
        if self.verbose:
            for component in made.left_out:
                self.lines += [
                    f'Component "{component}" from writer "SqlServerWriter" is excluded from backup,',
                    "because it requires a volume which is not in the shadow copy set.",
                ]
        self.copies = made.copies
        self._name_copies()
        if self.metadata is not None:
            self._write_metadata(made.document, made.manifests)
        self._list()

    def _name_copies(self) -> None:
        for number, (copy, (_, alias)) in enumerate(zip(self.copies, self.volumes, strict=True), 1):
            identity = f"{{{copy.id}}}"
            self.variables[f"vss_shadow_{number}"] = identity
            name = alias or f"VSS_SHADOW_{number}"
            self.variables[name.lower()] = identity
            self.lines.append(f"Alias {name} for shadow ID {identity} set as environment variable.")
        set_id = f"{{{self.copies[0].set_id}}}"
        self.variables["vss_shadow_set"] = set_id
        self.lines.append(f"Alias VSS_SHADOW_SET for shadow set ID {set_id} set as environment variable.")

    def _write_metadata(self, document: str, manifests: list[str]) -> None:
        files = {"Manifest.xml": "<MANIFEST/>\r\n", "BCDocument.xml": document}
        files |= {f"WM{number}.xml": text for number, text in enumerate(manifests)}
        path = self.metadata or ""
        self.host.write(path, pack(files))
        if self.verbose:
            name = path.rpartition("\\")[2]
            self.lines += [f"Inserted file {file} into .cab file {name}" for file in files]

    def _list(self) -> None:
        machine = self.host.machine
        set_id = f"{{{self.copies[0].set_id}}}"
        self.lines += ["", f"Querying all shadow copies with the shadow copy set ID {set_id}", ""]
        full_name = f"{machine.name}.{machine.domain}"
        for copy, (_, alias) in zip(self.copies, self.volumes, strict=True):
            volume = next(volume for volume in machine.volumes if volume.id == copy.volume_id)
            words = ["No_Auto_Release"] if copy.persistent else []
            words += (["Persistent"] if copy.persistent else []) + ([] if copy.writers else ["No_Writers"])
            self.lines += [
                f"\t* Shadow copy ID = {{{copy.id}}}\t\t%{alias}%",
                f"\t\t- Shadow copy set: {set_id}\t%VSS_SHADOW_SET%",
                f"\t\t- Original count of shadow copies = {copy.count}",
                f"\t\t- Original volume name: \\\\?\\Volume{{{volume.id}}}\\ [{volume.name}]",
                f"\t\t- Creation time: {machine.os.written(datetime.fromisoformat(copy.created))}",
                f"\t\t- Shadow copy device name: \\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy{copy.number}",
                f"\t\t- Originating machine: {full_name}",
                f"\t\t- Service machine: {full_name}",
                "\t\t- Not exposed",
                f"\t\t- Provider ID: {_PROVIDER}",
                f"\t\t- Attributes:  {' '.join([*words, 'Differential'])}",
                "",
            ]
        self.lines.append(f"Number of shadow copies listed: {len(self.copies)}")

    def _exec(self, words: list[str], line: str) -> None:
        del words
        run_batch(line.split(None, 1)[1].strip('"'), self.host, self.variables)

    def _expose(self, words: list[str], line: str) -> None:
        reference = words[1]
        identity = expanded(reference, self.variables)
        if identity != reference:
            self.lines.append(f"-> {reference} = {identity}")
        folder = line.split(None, 2)[2]
        vss = Vss(self.host)
        copy = vss.shadows.find(identity.strip("{}"))
        if copy is None or not copy.persistent:
            raise NotEmulated(f"diskshadow's {line!r} of a copy that is gone or not persistent")
        if len(folder.rstrip("\\")) <= 2:
            raise NotEmulated("exposing as a drive letter")
        vss.shadows.expose(copy, folder)
        name = folder.rstrip("\\") + "\\"
        self.lines.append(f"The shadow copy was successfully exposed as {name}.")

    def _delete(self, words: list[str], line: str) -> None:
        kind = [word.lower() for word in words[1:3]]
        if kind not in (["shadows", "set"], ["shadows", "id"]):
            raise NotEmulated(f"diskshadow's {line!r}")
        identity = expanded(words[3], self.variables).strip("{}").lower()
        shadows = Vss(self.host).shadows
        found = shadows.of_set(identity) if kind[1] == "set" else [c for c in [shadows.find(identity)] if c]
        for copy in found:
            shadows.delete(copy.id)

    def _exit(self, words: list[str], line: str) -> None:
        del words, line
        raise _Ended
