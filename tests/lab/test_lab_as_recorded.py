"""What recordings of real Windows corrected in the lab; they themselves are compared in tests/fidelity."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from sitekeeper_lab.configmgr.tracelog import trace_line
from sitekeeper_lab.engines.objects import service_object
from sitekeeper_lab.windows.native.sc import sc
from sitekeeper_lab.windows.services import ServiceControl
from sitekeeper_lab.wsman.clixml import dumps

Sessions = Callable[[str], Any]


@pytest.mark.parametrize(("east", "bias"), [(330, "-330"), (-480, "+480"), (60, "-60"), (0, "+000")])
def test_the_bias_of_a_trace_line(east: int, bias: str) -> None:
    moment = datetime(2014, 11, 28, 19, 33, 19, 766_000, timezone(timedelta(minutes=east)))
    assert f'time="19:33:19.766{bias}" date="11-28-2014"' in trace_line("x", "C", moment, 1)


def test_a_service_that_was_never_started(lab_session: Sessions) -> None:
    host = lab_session("PR2").host
    assert "        WIN32_EXIT_CODE    : 1077  (0x435)" in sc(["query", "VSS"], host).lines
    started = sc(["start", "VSS"], host).lines
    assert "                                (NOT_STOPPABLE, NOT_PAUSABLE, IGNORES_SHUTDOWN)" in started
    assert "        WIN32_EXIT_CODE    : 0  (0x0)" in started


def test_arrays_of_one_type(lab_session: Sessions) -> None:
    host = lab_session("PR2").host
    clixml = dumps(service_object(ServiceControl(host), host.machine.services["WinRM"]))
    assert "<T>System.ServiceProcess.ServiceController[]</T>" in clixml
    assert '<Ref N="RequiredServices"' in clixml
