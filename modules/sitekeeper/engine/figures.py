"""Sizes, durations and rates as people read them: ``4.2 MiB``, ``1 min 12 s``, ``12.3 MiB/s``."""

from __future__ import annotations


def show_size(size: float) -> str:
    """A number of bytes: ``512 B``, ``4.2 MiB``, ``1.5 TiB``."""
    if abs(size) < 1024:
        return f"{size:.0f} B"
    for unit in ("KiB", "MiB", "GiB"):
        size /= 1024
        if abs(size) < 1024:
            return f"{size:.1f} {unit}"
    return f"{size / 1024:.1f} TiB"


def show_duration(seconds: float) -> str:
    """A number of seconds: ``3.4 s``, ``42 s``, ``1 min 12 s``, ``2 h 5 min``."""
    if seconds < 10 and seconds != int(seconds):
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def show_rate(size: float, seconds: float) -> str:
    """Bytes in seconds: ``12.3 MiB/s``."""
    return f"{size / 2**20 / max(seconds, 0.001):.1f} MiB/s"
