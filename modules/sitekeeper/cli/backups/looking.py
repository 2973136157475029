"""Looking into sets for ``sitekeeper backups``: a set in full, its files, and how two of them differ."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sitekeeper.store.format import catalogue, head_file
from sitekeeper.store.format.manifest_file import Entry, Manifest
from sitekeeper.store.keeping import extract
from sitekeeper.store.sealing.open_set import OpenSet, open_set
from sitekeeper.transport.age_identity import keys_of

FACTS = (
    "kind",
    "site",
    "site_name",
    "site_type",
    "parent",
    "product",
    "version",
    "install_dir",
    "tool",
    "consistency",
    "machine",
    "database_machine",
    "volumes",
    "services",
    "database",
    "row_counts",
    "registry",
    "feeds",
    "left_out",
    "files",
    "bytes",
)
"""What is compared; what differs between any two nights (ids, times, runs) is not."""
PASSING = frozenset({"free", "pid", "clock_skew", "booted"})
"""Neither are these, wherever they stand."""
CALLED = ("name", "logical", "file")


def open_with_identity(folder: Path, identity: str | None) -> OpenSet:
    """A set, opened with the key where it needs one."""
    return open_set(folder, keys_of(identity))


def show_set(folder: Path, identity: str | None) -> dict[str, Any]:
    """A set in full; of a sealed one without the key its head."""
    kept = catalogue.read(folder)
    more = {"sealed": kept.sealed, "marks": kept.marks.model_dump(mode="json"), "stored_bytes": kept.stored_bytes}
    if kept.marks_problem:
        more["marks_problem"] = kept.marks_problem
    if kept.sealed and identity is None:
        return (
            head_file.read(folder).model_dump(mode="json")
            | more
            | {"closed": "sealed: give --identity FILE to see names and facts"}
        )
    return open_with_identity(folder, identity).manifest.model_dump(mode="json") | more


def entries_of(folder: Path, identity: str | None, places: Sequence[str]) -> list[dict[str, Any]]:
    """Every entry of a set, with the file of the store that holds it."""
    found = open_with_identity(folder, identity)
    return [
        {
            "set": found.manifest.id,
            **entry.model_dump(mode="json"),
            "stored": found.stored_as(entry) if entry.kind == "file" else "",
        }
        for entry in (extract.chosen(found.manifest, places) if places else found.manifest.entries)
    ]


def differences(before: OpenSet, after: OpenSet) -> list[dict[str, Any]]:
    """Facts first, then files by name; a file is the same when its bytes are."""
    rows = _facts(before.manifest, after.manifest)
    old, new = _files(before.manifest), _files(after.manifest)
    for name in sorted(old.keys() | new.keys()):
        one, other = old.get(name), new.get(name)
        if (
            one is not None
            and other is not None
            and (one.kind, one.size, one.sha256) == (other.kind, other.size, other.sha256)
        ):
            continue
        change = "added" if one is None else "removed" if other is None else "changed"
        rows.append({"what": name, "change": change, "before": _describe(one), "after": _describe(other)})
    return rows


def _facts(before: Manifest, after: Manifest) -> list[dict[str, Any]]:
    old, new = (
        _flat({name: value for name, value in one.model_dump(mode="json").items() if name in FACTS})
        for one in (before, after)
    )
    names = dict.fromkeys([*old, *new])
    return [
        {"what": name, "change": "fact", "before": old.get(name), "after": new.get(name)}
        for name in names
        if old.get(name) != new.get(name)
    ]


def _flat(value: Any, place: str = "") -> dict[str, Any]:
    """Every single fact by its place, ``services.SMS_EXECUTIVE.start_mode``; things in lists by what they are called."""
    if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        value = {
            str(next((one[key] for key in CALLED if one.get(key)), number)): one for number, one in enumerate(value)
        }
    if not isinstance(value, dict):
        return {place: value}
    found: dict[str, Any] = {}
    for key, one in value.items():
        if key not in PASSING:
            found |= _flat(one, f"{place}.{key}" if place else key)
    return found


def _files(manifest: Manifest) -> dict[str, Entry]:
    return {entry.file: entry for entry in manifest.entries}


def _describe(entry: Entry | None) -> str | None:
    if entry is None:
        return None
    return f"{entry.size} bytes, {entry.sha256[:12]}" if entry.kind == "file" else entry.kind
