"""The lab, asked by a recorded client word for word, so that its answers can be laid beside those of real Windows."""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from sitekeeper_lab.engines.api import ErrorRecord, Pipeline, Sink
from sitekeeper_lab.wsman import soap
from sitekeeper_lab.wsman.crew import Crew
from sitekeeper_lab.wsman.limits import Limits
from sitekeeper_lab.wsman.service import Caller, Service

from . import foreign, recorded
from .recorded import Exchange

_PATIENCE = "PT0.3S"
"""What the recorded OperationTimeouts of seconds become: time-outs are waited for."""


@dataclass
class Engine:
    """Writes what a recorded pipeline wrote; each run is the next of them, and writes for one Receive at a time."""

    versions: Mapping[str, str]
    pipelines: list[list[list[tuple[int, str]]]]
    """Of each the messages that each Receive brought."""
    asked: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    wrote: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def open(self, user: str, configuration: str) -> Engine:
        return self

    def run(self, pipeline: Pipeline, sink: Sink) -> None:
        for messages in self.pipelines.pop(0) if self.pipelines else []:
            self.asked.acquire(timeout=20)
            try:
                for kind, clixml in messages:
                    self._write(kind, clixml, sink)
            finally:
                self.wrote.release()

    def _write(self, kind: int, clixml: str, sink: Sink) -> None:
        record = foreign.error(clixml)
        if kind == recorded.OUTPUT:
            sink.output(_error(clixml, ends=False) if record else foreign.by_psrpcore(clixml))
        elif kind == recorded.WARNING:
            sink.warning(foreign.by_psrpcore(clixml)["InformationalRecord_Message"])
        elif kind == recorded.ERROR:
            sink.error(_error(clixml, ends=False))
        elif kind == recorded.STATE and record:
            raise _error(clixml, ends=True)

    def close(self) -> None:
        """Nothing is held."""


def _error(clixml: str, *, ends: bool) -> ErrorRecord:
    seen = foreign.error(clixml)
    assert seen is not None

    def first(pattern: str) -> str:
        found = re.search(pattern, clixml)
        return foreign.by_psrpcore(f"<S>{found[1]}</S>") if found else ""

    return ErrorRecord(
        message=seen.message,
        error_id=seen.error_id,
        category=seen.category,
        exception_type=first(r'N="Exception" RefId="\d+"><TN RefId="\d+"><T>([^<]+)<'),
        target=first('N="ErrorCategory_TargetName">([^<]*)<') or None,
        activity=first('N="ErrorCategory_Activity">([^<]*)<'),
        terminates_pipeline=ends,
    )


def versions_of(exchanges: list[Exchange]) -> dict[str, str]:
    """PSVersionTable of a recorded host."""
    for kind, clixml in recorded.messages(exchanges):
        if kind == recorded.PRIVATE_DATA and "PSVersionTable" in clixml:
            table = foreign.by_psrpcore(clixml)["ApplicationPrivateData"]["PSVersionTable"]
            return {name: ", ".join(value) if isinstance(value, list) else value for name, value in table.items()}
    return {}


@dataclass(frozen=True, slots=True)
class Answered:
    """A recorded exchange, and what the lab answered to the same request (several answers, if the first was not all)."""

    exchange: Exchange
    status: int
    answers: tuple[str, ...]


def asked_of_the_lab(exchanges: list[Exchange]) -> Iterator[Answered]:
    """Every request of a recorded dialogue, in its order, at a lab host of the same versions."""
    with _host(exchanges) as (service, engine):
        ours: dict[str, str] = {}
        caller = Caller("recorded\\client", "127.0.0.1", lambda: True)
        for exchange in exchanges:
            _before(exchange, service, engine)
            answers: list[str] = []
            status = 0
            while not answers or (status == 200 and _is_not_all(exchange, answers)):
                text = exchange.request
                for theirs, mine in ours.items():
                    text = text.replace(theirs, mine)
                text = text.replace(exchange.asked.message, f"uuid:{uuid.uuid4()}".upper().replace("UUID", "uuid"))
                text = re.sub(r"(OperationTimeout>)PT\d+S", rf"\g<1>{_PATIENCE}", text)
                request = soap.parse(text.encode())
                assert request is not None
                answer = service.handle(request, caller)
                status = answer.status
                answers.append(answer.envelope.decode())
            ours |= _named(exchange, answers[0])
            yield Answered(exchange, status, tuple(answers))


def _receives(pipeline: list[Exchange]) -> list[list[tuple[int, str]]]:
    """The messages that began in each Receive that brought anything."""
    messages = recorded.messages(pipeline)
    return [
        list(islice(messages, recorded.begun(one.answer)))
        for one in pipeline
        if one.asked.operation == "Receive" and one.status == 200
    ]


def _before(exchange: Exchange, service: Service, engine: Engine) -> None:
    """What happened on the recorded machine before it answered so."""
    if exchange.asked.operation == "Receive" and exchange.asked.command and exchange.status == 200:
        engine.asked.release()
        assert engine.wrote.acquire(timeout=10), "the pipeline of this Receive does not run"
    elif exchange.asked.operation == "Get" and "2150858843" in exchange.answer:
        service.shells.close()  # somebody had deleted it
    elif ">Disconnected</rsp:State>" in exchange.answer:
        assert isinstance(service.shells.monotonic, _Clock)
        service.shells.monotonic.now += 62.0  # nobody had used it for long


def _is_not_all(exchange: Exchange, answers: list[str]) -> bool:
    done = "CommandState/Done"
    return done in exchange.answer and done not in answers[-1]


def _named(exchange: Exchange, answer: str) -> dict[str, str]:
    """The lab's id of a new shell or command, by the recorded one."""
    pattern = {"Create": r'Name="ShellId">([^<]+)<', "Command": r"CommandId>([^<]+)<"}.get(exchange.asked.operation)
    theirs, mine = (re.search(pattern, text) if pattern else None for text in (exchange.answer, answer))
    return {theirs[1]: mine[1]} if theirs and mine else {}


class _Clock:
    """Seconds, which pass only when we say so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def _host(exchanges: list[Exchange]) -> Iterator[tuple[Service, Engine]]:
    told = [_receives(one) for one in recorded.pipelines(exchanges)]
    engine = Engine(versions_of(exchanges), told)
    resource = next((one.asked.resource for one in exchanges if one.asked.operation == "Create"), "")
    crew = Crew()
    known = frozenset({"Microsoft.PowerShell", resource.rpartition("/")[2]})
    service = Service(engine, crew, Limits.of(engine.versions), known, _nothing, _Clock())
    yield service, engine
    engine.asked.release(100)
    service.shells.close()
    assert crew.join(20) == []


def _nothing(_: Any) -> None:
    """Nobody watches."""
