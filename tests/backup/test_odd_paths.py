"""Install folders that are odd and legal."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import MakeStage


@pytest.mark.timeout(120)
def test_an_apostrophe_in_the_install_path(stage: MakeStage) -> None:
    def rename(data: dict[str, Any]) -> None:
        data["hosts"]["PR2"]["site"]["install"] = "D:\\Joe's ConfigMgr"

    here = stage("PR2", change=rename)
    outcome = here.run()
    assert outcome.code == 0, outcome.error("PR2")
    assert here.manifest("PR2")["install_dir"] == "D:\\Joe's ConfigMgr"
    here.assert_clean("PR2")
