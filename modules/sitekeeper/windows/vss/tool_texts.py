"""Output of VSS tools, read by ids and numbers: their texts are localised.

Sources: recorded transcripts; state numbers: VSS_WRITER_STATE (Microsoft Learn); element and attribute names of the backup
components document: Microsoft's published VSS headers. Assumed (docs/unverified.md): that its backupType reads ``copy``, and
that vssadmin writes one and the same text for every writer without an error.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from xml.etree import ElementTree as ET

SQL_WRITER = "a65faa63-5ea8-4ebc-9dbd-a0c4db26912a"
SMS_WRITER = "03ba67dd-dc6d-4729-a038-251f7018463b"
TAKES_PART = frozenset({SQL_WRITER})
"""The writers that a set needs. All others are excluded by their ids: they are not asked, and cannot fail it."""
STABLE = 1
WAITING = 5
"""``[5] Waiting for completion``: a backup that used the writer has not told it the end."""
_GUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_STATE = re.compile(r"\[(\d+)\]")
_NAME = re.compile(r"['\"]([^'\"]+)['\"]")
NO_ERROR = frozenset({"no error", "aucune erreur"})
"""Last errors of healthy writers as recorded, in lower case; what they are in another language is found out (``find_unhealthy``)."""
FEWEST = 3
"""So many stable writers must have the same text before it counts as "no error": every Windows has more of them."""
_RETURNED = re.compile(r"^\s*- [^:=\r\n]+[:=\uff1a]\s?(?:0x)?8004[0-9a-fA-F]{4}\s*$", re.MULTILINE)
"""The line that ends with the code of a failed operation: ``- Returned HRESULT: 80042306`` by diskshadow (a published transcript:
openzfsonwindows/openzfs issue 406), ``- Returned HRESULT = 0x8004231f`` by vshadow (its own source). Its words may be localised."""
_CODE = re.compile(r"(?<![0-9a-fA-F-])(?:0x)?(8004[0-9a-fA-F]{4})(?![0-9a-fA-F-])")


@dataclass(frozen=True, slots=True)
class Writer:
    """A VSS writer as ``vssadmin list writers`` shows it."""

    name: str
    id: str
    state: int
    last_error: str


def find_unhealthy(found: list[Writer]) -> list[Writer]:
    """Find writers that are not Stable, or Stable with an error (recorded: ``[1] Stable`` with ``Retryable error``).

    vssadmin gives no number for the error. If a text is known to mean "no error", only that text does; in an unknown language
    the text that most stable writers share. With too few writers or no clear majority no writer counts as healthy.
    """
    stable = Counter(one.last_error.casefold() for one in found if one.state == STABLE)
    fine = NO_ERROR.intersection(stable)
    if not fine and stable:
        text, number = stable.most_common(1)[0]
        if text and number >= FEWEST and number * 2 > stable.total():
            fine = frozenset({text})
    return [one for one in found if one.state != STABLE or one.last_error.casefold() not in fine]


def read_writers(text: str) -> list[Writer]:
    """Read the writers of a transcript: blocks of five lines, in any language.

    Raises:
        ValueError: a block looks like a writer and cannot be read; it may be the writer that failed.

    """
    found: list[Writer] = []
    for block in re.split(r"\r?\n\s*\r?\n", text):
        lines = [line for line in block.splitlines() if line.strip()]
        ids = [number for number, line in enumerate(lines) if re.search(_GUID, line)]
        if not ids:
            continue  # the banner, or words about waiting
        first = ids[0] - 1
        here = lines[first : first + 5] if first >= 0 else []
        name, guid, state = (
            (_NAME.search(here[0]), re.search(_GUID, here[1]), _STATE.search(here[3]))
            if len(here) == 5
            else (None,) * 3
        )
        if guid is None or state is None or name is None:
            raise ValueError(f"cannot be read as a VSS writer: {lines[0].strip()[:60]!r}")
        said = re.split("[:\uff1a]", here[4], maxsplit=1)[-1].strip()  # East Asian Windows may write a wide colon
        found.append(Writer(name[1], guid[0].lower(), int(state[1]), said))
    return found


@dataclass(frozen=True, slots=True)
class ShadowMark:
    """What the diskshadow script noted directly after CREATE."""

    run: str = ""
    set_id: str = ""
    copies: tuple[tuple[int, str, str], ...] = ()
    """(number, volume id, shadow copy id)."""


def read_mark(text: str) -> ShadowMark:
    """Read a mark; missing parts stay empty."""
    run, set_id = "", ""
    copies: list[tuple[int, str, str]] = []
    for line in text.splitlines():
        word = line.split()
        if len(word) == 2 and word[0] == "run":
            run = word[1]
        elif len(word) == 2 and word[0] == "set" and re.search(_GUID, word[1]):
            set_id = word[1].strip("{}").lower()
        elif len(word) == 4 and word[0] == "copy" and re.search(_GUID, word[3]):
            copies.append((int(word[1]), word[2].lower(), word[3].strip("{}").lower()))
    return ShadowMark(run, set_id, tuple(copies))


@dataclass(frozen=True, slots=True)
class Component:
    """A component in a backup components document."""

    writer: str
    name: str
    logical_path: str


@dataclass(frozen=True, slots=True)
class BackupDocument:
    """The backup components document that diskshadow leaves in its metadata."""

    backup_type: str
    components: tuple[Component, ...]


def read_backup_document(xml: str) -> BackupDocument:
    """Read BCDocument.xml.

    Raises:
        ValueError: it is not such a document.

    """
    try:
        root = ET.fromstring(xml.lstrip("\ufeff").strip())  # noqa: S314 - from the host that we back up; expat limits expansion
    except ET.ParseError as error:
        raise ValueError(f"not a backup components document: {error}") from None
    components = [
        Component(
            writer=(writer.get("writerId") or "").strip("{}").lower(),
            name=component.get("componentName") or "",
            logical_path=component.get("logicalPath") or "",
        )
        for writer in root.iter()
        if _local(writer) == "WRITER_COMPONENTS"
        for component in writer
        if _local(component) == "COMPONENT"
    ]
    return BackupDocument((root.get("backupType") or "").lower(), tuple(components))


def _local(element: ET.Element) -> str:
    return str(element.tag).rpartition("}")[2]


def has_error(transcript: str) -> bool:
    """Whether a tool reports that an operation failed; a code that only stands somewhere in its transcript is not an error."""
    return _RETURNED.search(transcript) is not None


def find_hresults(transcript: str) -> list[str]:
    """Find VSS error codes in the transcript of a failed set, in any language, as ``0x8004....``, in order, each once."""
    return list(dict.fromkeys(f"0x{code.lower()}" for code in _CODE.findall(transcript)))


MEANINGS = {
    "0x800423f0": "the set does not contain all volumes of a writer: add the missing volume",
    "0x800423f1": "a writer was out of resources: reduce the load and try again",
    "0x800423f2": "a writer timed out: reduce the load and try again",
    "0x800423f3": "a writer failed, but a retry may work: try again; if it fails again, restart the service that hosts it",
    "0x800423f4": "a writer failed, and a retry does not help: restart the service that hosts it and read the Application log",
    "0x80042306": "the VSS provider refused: read its events, and check other backup software",
    "0x8004230f": "the VSS provider had an unexpected error: try again",
    "0x80042313": "writes could not be flushed in time: reduce the load and try again",
    "0x80042314": "writes could not be held in time: reduce the load and try again",
    "0x80042316": "another shadow copy was being made: find the other backup software and run one of the two at another time",
    "0x80042317": "too many shadow copies exist: delete old ones",
    "0x8004231f": "no room for shadow copies: enlarge the shadow storage (vssadmin resize shadowstorage)",
}
"""What to do (Microsoft Learn, "Writer errors and vetoes"; codes as in winerror lists of public VSS clients)."""
