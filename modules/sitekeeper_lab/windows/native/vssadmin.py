"""vssadmin.exe list writers, shadows and shadowstorage, as recorded; list providers and delete shadows /shadow from memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sitekeeper_lab.host import Host
from sitekeeper_lab.windows.model import ShadowCopy
from sitekeeper_lab.windows.native.answer import Answer, NotEmulated
from sitekeeper_lab.windows.shadows import ShadowCopies
from sitekeeper_lab.windows.vss import Vss
from sitekeeper_lab.windows.wmi_rows import device_id

_YEARS = {(5, 2): "2001", (6, 1): "2001-2005"}


def vssadmin(arguments: Sequence[str], host: Host) -> Answer:
    """Run one list command."""
    words = [argument.lower() for argument in arguments]
    banner = [
        "vssadmin 1.1 - Volume Shadow Copy Service administrative command-line tool",
        f"(C) Copyright {_YEARS.get(host.machine.os.level, '2001-2013')} Microsoft Corp.",
        "",
    ]
    if (
        len(words) == 4
        and words[:2] == ["delete", "shadows"]
        and words[2].startswith("/shadow=")
        and words[3] == "/quiet"
    ):
        return _delete(words[2].removeprefix("/shadow=").strip("{}"), host, banner)
    lists = {"writers": _writers, "shadows": _shadows, "shadowstorage": _storage, "providers": _providers}
    if len(words) != 2 or words[0] != "list" or words[1] not in lists:
        raise NotEmulated(f"vssadmin.exe {' '.join(arguments)}")
    with host.lock:
        lines = lists[words[1]](host)
    return Answer(banner + (lines or ["No items found that satisfy the query."]))


def _delete(copy_id: str, host: Host, banner: list[str]) -> Answer:
    """Only what any user can see as previous versions: of others it says that they belong to the program that made them."""
    shadows = ShadowCopies(host)
    copy = shadows.find(copy_id)
    if copy is None:
        return Answer([*banner, "No items found that satisfy the query."], 2)
    if not copy.client_accessible:
        words = (
            "Error: Snapshots were found, but they were outside of your allowed context.  Try removing them with the"
        )
        return Answer([*banner, words, "backup application which created them."], 2)
    shadows.delete(copy_id)
    return Answer([*banner, "Successfully deleted 1 shadow copies."])


def _providers(host: Host) -> list[str]:
    del host
    return [
        "Provider name: 'Microsoft Software Shadow Copy provider 1.0'",
        "   Provider type: System",
        "   Provider Id: {b5946137-7b9f-4925-af80-51abd60b20d5}",
        "   Version: 1.0.0.7",
        "",
    ]


def _writers(host: Host) -> list[str]:
    lines: list[str] = []
    for writer in Vss(host).writers():
        word = "Stable" if writer.state == 1 else "Waiting for completion" if writer.state == 5 else "Failed"
        lines += [
            f"Writer name: '{writer.name}'",
            f"   Writer Id: {{{writer.id}}}",
            f"   Writer Instance Id: {{{writer.instance_id}}}",
            f"   State: [{writer.state}] {word}",
            f"   Last error: {writer.error}",
            "",
        ]
    return lines


def _shadows(host: Host) -> list[str]:
    lines: list[str] = []
    sets: dict[str, list[ShadowCopy]] = {}
    for copy in host.machine.shadows:
        sets.setdefault(copy.set_id, []).append(copy)
    for set_id, copies in sets.items():
        made = datetime.fromisoformat(copies[0].created)
        date = host.machine.os.written(made)
        lines += [
            f"Contents of shadow copy set ID: {{{set_id}}}",
            f"   Contained {copies[0].count} shadow copies at creation time: {date}",
        ]
        for copy in copies:
            volume = next(v for v in host.machine.volumes if v.id == copy.volume_id)
            words = ["Persistent"] + (["Client-accessible"] if copy.client_accessible else []) + ["No auto release"]
            words += ([] if copy.writers else ["No writers"]) + ["Differential"]
            lines += [
                f"      Shadow Copy ID: {{{copy.id}}}",
                f"         Original Volume: ({volume.letter or volume.name}){device_id(volume.id)}",
                f"         Shadow Copy Volume: \\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy{copy.number}",
                f"         Originating Machine: {host.name}.{host.machine.domain}",
                f"         Service Machine: {host.name}.{host.machine.domain}",
                "         Provider: 'Microsoft Software Shadow Copy provider 1.0'",
                f"         Type: {'ClientAccessible' if copy.client_accessible else 'ApplicationRollback'}",
                f"         Attributes: {', '.join(words)}",
            ]
        lines.append("")
    return lines


def _storage(host: Host) -> list[str]:
    lines: list[str] = []
    volumes = {volume.id: volume for volume in host.machine.volumes}
    for storage in host.machine.storages:
        if not storage.allocated:
            continue
        volume, area = volumes[storage.volume_id], volumes[storage.diff_volume_id]

        def size(count: int, capacity: int = area.capacity) -> str:
            return f"{count / 2**30:.3f} GB ({100 * count // capacity}%)"

        lines += [
            "Shadow Copy Storage association",
            f"   For volume: ({volume.letter or volume.name}){device_id(volume.id)}",
            f"   Shadow Copy Storage volume: ({area.letter or area.name}){device_id(area.id)}",
            f"   Used Shadow Copy Storage space: {size(storage.used)}",
            f"   Allocated Shadow Copy Storage space: {size(storage.allocated)}",
            f"   Maximum Shadow Copy Storage space: {size(storage.maximum)}",
            "",
        ]
    return lines
