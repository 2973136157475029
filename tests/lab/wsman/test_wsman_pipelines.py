from __future__ import annotations

from collections.abc import Callable
from itertools import count
from threading import Thread
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from pypsrp.powershell import PowerShell, RunspacePool

from sitekeeper_lab.engines.api import ErrorRecord, PsObject
from sitekeeper_lab.wsman.messages import Head
from sitekeeper_lab.wsman.outbox import Outbox
from sitekeeper_lab.wsman.running import RunningPipeline, Turns

from .conftest import Host

if TYPE_CHECKING:
    from pypsrp.wsman import WSMan


def test_a_cmdlet_gets_its_parameters_and_answers(host: Host, invoker: Callable[..., PowerShell]) -> None:
    seen: list[Any] = []

    def echo(call: Any) -> None:
        seen.append((call.named, call.positional))
        call.sink.output("äöü \U0001f600 a\r\n_x000A_ <&>\"'")

    host.engine.cmdlets["Write-It"] = echo
    wsman: WSMan = host.client()
    with wsman, RunspacePool(wsman) as pool:
        ps = invoker(pool, ("Write-It", {"Name": ["a", "b"], "Force": None, "Count": 3, "Deep": {"k": [1, True]}}))
        assert ps.output == ["äöü \U0001f600 a\r\n_x000A_ <&>\"'"]
        assert seen == [({"Name": ["a", "b"], "Force": None, "Count": 3, "Deep": {"k": [1, True]}}, [])]
        assert ps.state == 4
    assert host.operations()[-2:] == ["Signal", "Delete"]
    assert host.engine.users == ["LAB\\keeper"]


def test_pipelines_of_a_runspace_run_in_the_order_in_which_they_came() -> None:
    turns, ran = Turns(), list[int]()
    pipelines = [
        RunningPipeline(str(number), Outbox(count().__next__), Head(uuid4()), hresult=True) for number in range(5)
    ]
    for one in pipelines:
        turns.join(one)

    def run(number: int) -> None:
        while not turns.come(pipelines[number], 0.01):
            pass
        ran.append(number)
        turns.leave(pipelines[number])

    threads = [Thread(target=run, args=[number]) for number in reversed(range(5))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert ran == [0, 1, 2, 3, 4]


def test_errors_do_not_end_a_pipeline_but_a_raised_record_does(host: Host, invoker: Callable[..., PowerShell]) -> None:
    def grumble(call: Any) -> None:
        call.sink.output(1)
        call.sink.error(
            ErrorRecord("no such thing", "ThingNotFound,Get-Thing", category=13, target="x", activity="Get-Thing")
        )
        call.sink.warning("careful")
        call.sink.output(2)

    host.engine.cmdlets["Get-Thing"] = grumble
    with host.client() as wsman, RunspacePool(wsman) as pool:
        ps = invoker(pool, ("Get-Thing", {}), ("Get-Nothing", {}), ("Get-Thing", {}))
        assert ps.output == [1, 2]
        first, last = ps.streams.error
        assert str(first) == "no such thing"
        assert first.fq_error == "ThingNotFound,Get-Thing"
        assert first.message == "ObjectNotFound: (x:String) [Get-Thing], Exception"
        assert last.fq_error == "CommandNotFoundException"
        assert [str(each) for each in ps.streams.warning] == ["careful"]
        assert ps.had_errors
        assert ps.state == 5


def test_objects_arrive_with_their_types_and_properties(host: Host, invoker: Callable[..., PowerShell]) -> None:
    inner = PsObject(("X.Inner", "System.Object"), {"A": 1}, to_string="inner")
    outer = PsObject(
        ("X.Outer", "System.Object"), {"Name": "n", "I": inner, "L": [inner, None]}, {"Extra": b"\0\1"}, "outer"
    )
    host.engine.cmdlets["Get-It"] = lambda call: call.sink.output(outer)
    with host.client() as wsman, RunspacePool(wsman) as pool:
        (got,) = invoker(pool, ("Get-It", {})).output
        assert got.types == ["X.Outer", "System.Object"]
        assert str(got) == "outer"
        assert got.adapted_properties["Name"] == "n"
        assert got.adapted_properties["I"].adapted_properties == {"A": 1}
        assert got.adapted_properties["L"][0] is got.adapted_properties["I"]
        assert got.extended_properties == {"Extra": b"\0\1"}


def test_input_reaches_the_pipeline(host: Any, invoker: Any) -> None:
    host.engine.cmdlets["Join-It"] = lambda call: [call.sink.output(each) for each in call.pipeline.input]
    with host.client() as wsman, RunspacePool(wsman) as pool:
        big = "x" * 300_000
        assert invoker(pool, ("Join-It", {}), input=["a", 1, big]).output == ["a", 1, big]
