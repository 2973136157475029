"""The lab's WSMan and PSRP beside that of real Windows, field by field, over the requests of the recorded clients."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import pytest

from sitekeeper_lab.wsman.messages import MessageType

from . import recorded
from .compared import Compared
from .counting import Row, count
from .dialogues import POOLS
from .foreign import error
from .known_differences import MESSAGES, NOT_FOLLOWED, OLD_CLIENT, WIRE
from .lab_answers import Answered, asked_of_the_lab
from .likeness import Fields, of_envelope, of_message, order_of
from .recorded import Exchange, needs_recordings

pytestmark = needs_recordings
FOLLOWED = [name for name in POOLS if name not in {*NOT_FOLLOWED, *OLD_CLIENT}]


def compare_envelopes(answered: Answered, into: Compared) -> None:
    exchange = answered.exchange
    kind = exchange.asked.operation
    into.fields += 1
    if answered.status != exchange.status:
        into.differing[kind, "status"] = f"Windows {exchange.status}, lab {answered.status}: {answered.answers[0]}"
        return
    ours: Fields = {}
    for answer in reversed(answered.answers):
        ours |= of_envelope(answer)
    into.add(kind, of_envelope(exchange.answer), ours)
    if len(answered.answers) == 1:
        real = [path for path in order_of(exchange.answer) if "ActivityId" not in path]
        into.add(kind, {"order": " ".join(real)}, {"order": " ".join(order_of(answered.answers[0]))})


def compare_messages(answered: list[Answered], into: Compared) -> None:
    """The messages of each type, one after the other; objects that are no errors depend on what runs, not on the lab."""
    real: dict[int, list[str]] = defaultdict(list)
    ours: dict[int, list[str]] = defaultdict(list)
    for kind, clixml in recorded.messages([one.exchange for one in answered]):
        real[kind].append(clixml)
    for kind, clixml in recorded.messages([one for each in answered for one in _of_the_lab(each)]):
        ours[kind].append(clixml)
    for kind in {*real, *ours}:
        name = MessageType(kind).name if kind in set(MessageType) else f"0x{kind:08X}"
        into.add(name, {"number": str(len(real[kind]))}, {"number": str(len(ours[kind]))})
        for theirs, mine in zip(real[kind], ours[kind], strict=False):
            if kind != recorded.OUTPUT or error(theirs) or not theirs.startswith("<Obj"):
                into.add(name, of_message(theirs), of_message(mine))


def _of_the_lab(answered: Answered) -> list[Exchange]:
    return [replace(answered.exchange, answer=one) for one in answered.answers if answered.status == 200]


@pytest.fixture(scope="module")
def compared() -> tuple[Compared, Compared]:
    """All dialogues: their envelopes, their messages."""
    envelopes, messages = Compared(), Compared()
    for name in FOLLOWED:
        for exchanges in recorded.pools(name):
            answered = list(asked_of_the_lab(exchanges))
            for one in answered:
                compare_envelopes(one, envelopes)
            compare_messages(answered, messages)
    return envelopes, messages


def test_every_envelope(compared: tuple[Compared, Compared]) -> None:
    envelopes, _ = compared
    assert envelopes.unknown(WIRE) == {}
    assert envelopes.unused(WIRE) == []
    count(Row.COMPARED, envelopes.fields, f"{envelopes.fields} of WSMan envelopes")


def test_every_message(compared: tuple[Compared, Compared]) -> None:
    _, messages = compared
    assert messages.unknown(MESSAGES) == {}
    assert messages.unused(MESSAGES) == []
    count(Row.COMPARED, messages.fields, f"{messages.fields} of PSRP messages")


@pytest.mark.parametrize("name", NOT_FOLLOWED)
def test_a_dialogue_that_the_lab_does_not_follow_is_refused_by_name(name: str) -> None:
    (exchanges,) = recorded.pools(name)
    refused = next(one for one in asked_of_the_lab(exchanges) if one.status != one.exchange.status)
    assert "emulator: PSRP message" in refused.answers[0]


def test_a_client_whose_ids_do_not_agree() -> None:
    (exchanges,) = recorded.pools(*OLD_CLIENT)
    failed = next(one for one in asked_of_the_lab(exchanges) if one.status != one.exchange.status)
    assert failed.exchange.asked.operation == "Send"


PLANTED = (
    ("CreateResponse", "created"),
    ("<rsp:State>Connected<", "<rsp:State>Open<"),
    ("<rsp:ShellId>", '<rsp:ShellId Name="x">'),
    ("</rsp:Shell>", "<rsp:More/></rsp:Shell>"),
    ("<rsp:InputStreams>stdin pr</rsp:InputStreams>", ""),
)


def test_a_lab_answer_with_one_field_changed_is_caught() -> None:
    (exchanges,) = recorded.pools("psrp-open-runspace")
    create, private, *_ = asked_of_the_lab(exchanges)
    whole = Compared()
    compare_envelopes(create, whole)
    assert whole.unknown(WIRE) == {}
    for right, wrong in PLANTED:
        assert right in create.answers[0]
        changed = Compared()
        compare_envelopes(replace(create, answers=(create.answers[0].replace(right, wrong, 1),)), changed)
        assert changed.unknown(WIRE) != {}, wrong
    for kind, clixml in recorded.messages(_of_the_lab(private)):
        message = Compared()
        message.add("message", of_message(clixml), of_message(clixml.replace("2.0</Version>", "2.1</Version>")))
        assert message.unknown(MESSAGES) != {}, kind
    count(Row.PLANTED, 1, "a lab answer that differs from a recording")
