"""Looking into sets for ``sitekeeper backups``: a set in full, its files, and how two of them differ."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sitekeeper.store import _catalogue, _getting, _head
from sitekeeper.store._manifest import Entry, Manifest
from sitekeeper.store._open import Opened, opened
from sitekeeper.transport.identity import keys_of

FACTS = (
    "kind", "site", "site_name", "site_type", "parent", "product", "version", "install_dir", "tool", "consistency", "machine",
    "database_machine", "volumes", "services", "database", "row_counts", "registry", "feeds", "left_out", "files", "bytes",
)  # fmt: skip
"""What is compared; what differs between any two nights (ids, times, runs) is not."""


def opened_by(folder: Path, identity: str | None) -> Opened:
    """A set, opened with the key where it needs one."""
    return opened(folder, keys_of(identity))


def shown(folder: Path, identity: str | None) -> dict[str, Any]:
    """A set in full; of a sealed one without the key its head."""
    kept = _catalogue.read(folder)
    more = {"sealed": kept.sealed, "marks": kept.marks.model_dump(mode="json"), "stored_bytes": kept.stored_bytes}
    if kept.marks_problem:
        more["marks_problem"] = kept.marks_problem
    if kept.sealed and identity is None:
        return (
            _head.read(folder).model_dump(mode="json")
            | more
            | {"closed": "names and facts need the key: --identity FILE"}
        )
    return opened_by(folder, identity).manifest.model_dump(mode="json") | more


def entries_of(folder: Path, identity: str | None, places: Sequence[str]) -> list[dict[str, Any]]:
    """Every entry of a set, with the file of the store that holds it."""
    found = opened_by(folder, identity)
    return [
        {"set": found.manifest.id, **entry.model_dump(mode="json"), "stored": found.stored_as(entry) if entry.kind == "file" else ""}
        for entry in (_getting.chosen(found.manifest, places) if places else found.manifest.entries)
    ]  # fmt: skip


def differences(before: Opened, after: Opened) -> list[dict[str, Any]]:
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
        rows.append({"what": name, "change": change, "before": _told(one), "after": _told(other)})
    return rows


def _facts(before: Manifest, after: Manifest) -> list[dict[str, Any]]:
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    rows: list[dict[str, Any]] = []
    for name in FACTS:
        if isinstance(old[name], dict) and isinstance(new[name], dict):
            for key in sorted(old[name].keys() | new[name].keys()):
                one, other = old[name].get(key), new[name].get(key)
                if one != other:
                    rows.append({"what": f"{name}.{key}", "change": "fact", "before": one, "after": other})
        elif old[name] != new[name]:
            rows.append({"what": name, "change": "fact", "before": old[name], "after": new[name]})
    return rows


def _files(manifest: Manifest) -> dict[str, Entry]:
    return {entry.file: entry for entry in manifest.entries}


def _told(entry: Entry | None) -> str | None:
    if entry is None:
        return None
    return f"{entry.size} bytes, {entry.sha256[:12]}" if entry.kind == "file" else entry.kind
