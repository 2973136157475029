"""Two sites whose databases share a SQL host never back up at the same time; limits hold over a fleet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .conftest import MakeStage

pytestmark = pytest.mark.timeout(120)


def shared_sql(data: dict[str, Any]) -> None:
    """PR2 and a second site PR3, both databases on SQL1."""
    site = data["hosts"]["PR2"]
    sql = site.pop("sql")
    place = {"database_host": "SQL1", "data": "E:\\MSSQL\\Data", "log": "F:\\Log"}
    second = {**site, "address": "127.81.0.4", "site": {**site["site"], "code": "PR3", **place}}
    site["site"] |= place
    data["hosts"]["PR3"] = second
    data["hosts"]["SQL1"] = {
        "address": "127.81.0.9",
        "windows": "2012 R2",
        "sql": sql,
        "volumes": [{"mount": "C:\\"}, {"mount": "E:\\"}, {"mount": "F:\\"}],
    }


def spans(here: Any) -> dict[str, tuple[int, int]]:
    """From the first to the last thing done on behalf of each site, by the lab's audit."""
    found: dict[str, tuple[int, int]] = {}
    for site in ("PR2", "PR3"):
        numbers = [
            line["n"]
            for line in here.calls(site)
            if line["command"] in {"Invoke-WmiMethod", "New-SkShadowSet", "Remove-SkShadowSet"}
        ]
        found[site] = (min(numbers), max(numbers))
    return found


def test_two_sites_on_one_sql_host_never_overlap(stage: MakeStage) -> None:
    here = stage("PR2", change=shared_sql)
    outcome = here.run()
    assert outcome.code == 0, [event for event in outcome.events if event["event"] == "HostEnded"]
    assert len(here.sets("PR2")) == len(here.sets("PR3")) == 1
    first, second = sorted(spans(here).values())
    assert first[1] < second[0]


def test_uses_holds_a_limit_and_its_rate(stage: MakeStage, tmp_path: Path) -> None:
    here = stage("PR1", "PR2")
    book = tmp_path / "limited.yml"
    text = Path(__file__).parents[2].joinpath("playbooks/backup.yml").read_text()
    changed = text.replace(
        '      store.pull: {set: "{{ set }}", snapshot: "{{ snapshot }}", what: "{{ site.what }}"}\n',
        '      store.pull: {set: "{{ set }}", snapshot: "{{ snapshot }}", what: "{{ site.what }}"}\n      uses: ["wan:{{ link }}"]\n',
    )
    assert changed != text
    book.write_text(changed)
    outcome = here.run("-e", '{"link": "lille", "limits": {"wan:lille": {"count": 1, "rate": "4MB"}}}', playbook=book)
    assert outcome.code == 0, [event for event in outcome.events if event["event"] == "HostEnded"]
    reads = {
        host: [line["n"] for line in here.calls(host) if line["command"] == "Read-SkFile"] for host in ("PR1", "PR2")
    }
    first, second = sorted((min(numbers), max(numbers)) for numbers in reads.values())
    assert first[1] < second[0]
    seconds = [
        event["seconds"]
        for event in outcome.events
        if event["event"] == "TaskEnded" and event["module"] == "store.pull"
    ]
    assert min(seconds) > 0.9  # 4 MB at 4 MB/s
