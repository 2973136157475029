"""ConfigMgr's own task is started, followed and collected over the real protocols; what is in the sets is one instant of each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from sitekeeper.lab.sql.attach import attach

BOOK = "playbooks/backup_task.yml"


def counter_in_dump(folder: Path) -> int:
    data = (folder / "SiteServer" / "SMSbkSiteRegSMS.dat").read_bytes().removeprefix(b"regf")
    found = re.search(r'LabCounter\]\r\n"Value"=dword:([0-9a-f]{8})', data.decode("utf-16"))
    assert found
    return int(found[1], 16)


@pytest.mark.timeout(180)
def test_three_sites(stage: Any) -> None:
    here = stage()
    outcome = here.run(playbook=BOOK)
    assert outcome.code == 0, [outcome.host(one)["error"] for one in ("CEN", "PR1", "PR2")]
    for site in ("CEN", "PR1", "PR2"):
        (whole,) = here.sets(site)
        folder = whole / f"{site}Backup"
        files = {file.suffix.lower(): file for file in (folder / "SiteDBServer").iterdir()}
        inbox = int((folder / "SiteServer/SMSServer/inboxes/labcounter.box/counter.txt").read_text().split()[0])
        assert attach(files[".mdf"], files[".ldf"]).counter == inbox == counter_in_dump(folder) > 0
        here.assert_clean(site)
