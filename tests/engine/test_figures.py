"""Sizes, durations and rates as a person reads them."""

from __future__ import annotations

import pytest

from sitekeeper.engine.figures import show_duration, show_rate, show_size


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (4596959, "4.4 MiB"),
        (2**30, "1.0 GiB"),
        (3 * 2**40, "3.0 TiB"),
        (5000 * 2**40, "5000.0 TiB"),
    ],
)
def test_sizes(size: int, shown: str) -> None:
    assert show_size(size) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (3.42, "3.4 s"),
        (9.99, "10.0 s"),
        (42.4, "42 s"),
        (59.7, "1 min"),
        (72.4013, "1 min 12 s"),
        (3599.9, "1 h"),
        (7500, "2 h 5 min"),
        (7199.9, "2 h"),
    ],
)
def test_durations(seconds: float, shown: str) -> None:
    assert show_duration(seconds) == shown


def test_rates() -> None:
    assert show_rate(2**20 * 30, 2.0) == "15.0 MiB/s"
    assert show_rate(2**20, 0.0).endswith(" MiB/s")
