"""A guard that could not act while the disk was full acts when it can: perhaps just while the run is rolled back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sitekeeper.engine.errors import LimitError
from sitekeeper.engine.holding.leases import Leases

from .faults_table import TABLE
from .judgement import tried
from .theatre import Theatre

A_MINUTE_AND_A_SECOND = 61


@pytest.mark.timeout(300)
def test_the_rollback_is_fenced_and_the_next_one_ends_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theatre = Theatre(tmp_path / "theatre")
    theatre.open()
    theatre.forget()
    lease = theatre.lab.host(theatre.site).files.resolve("C:\\sitekeeper\\lease.txt")
    adopt, again = Leases.adopt, Theatre.again
    codes: list[int] = []

    def adopted(leases: Leases, hosts: Any) -> None:
        adopt(leases, hosts)
        if not codes:
            ours = lease.read_text()
            theatre.lab.advance(A_MINUTE_AND_A_SECOND)
            theatre.wait_until(lambda: not lease.exists() or lease.read_text() != ours, 20)

    def told(ours: Theatre, command: str, run: str) -> tuple[int, list[str]]:
        code, lines = again(ours, command, run)
        codes.append(code)
        return code, lines

    monkeypatch.setattr(Leases, "adopt", adopted)
    monkeypatch.setattr(Theatre, "again", told)
    (row,) = [one for one in TABLE if (one.fault, one.how) == ("disk full on site server", "both volumes")]
    result = tried(theatre, row, "Start the services again")
    theatre.close()
    assert codes == [LimitError.exit_code, 0]
    assert result.wrong == ()
