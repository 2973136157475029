from __future__ import annotations

import itertools
import random
import threading
import time
import uuid

import pytest

from sitekeeper_lab.wsman.messages import Assembler, FragmentError, Head, MessageType, fragment
from sitekeeper_lab.wsman.outbox import Outbox, OutboxClosed, PipelineStopped, Superseded

POOL = uuid.uuid4()


def _outbox(limit: int = 1 << 20) -> Outbox:
    return Outbox(itertools.count(1).__next__, limit)


def _alive() -> bool:
    return True


def test_messages_survive_any_cutting() -> None:
    noise = random.Random(11)  # noqa: S311  no secret
    outbox, assembler, head = _outbox(), Assembler(), Head(POOL)
    texts = ["x" * noise.choice([0, 1, 100, 32_700, 32_747, 70_000]) for _ in range(12)]
    for text in texts:
        outbox.put(head.message(MessageType.PIPELINE_OUTPUT, text))
    outbox.finish(head.message(MessageType.PIPELINE_STATE, "end"))
    got: list[str] = []
    done = False
    while not done:
        room = noise.choice([500, 5_000, 60_000, 200_000])
        taken = outbox.take(0, room, 131_072, _alive)
        assert taken is not None
        assert sum((len(each) + 2) // 3 * 4 + 96 for each in taken.fragments) <= room
        assert all(len(each) <= 32_768 for each in taken.fragments)
        done = taken.done
        for message in assembler.feed(b"".join(taken.fragments)):
            assert (message.pool, message.pipeline) == (POOL, uuid.UUID(int=0))
            got.append(message.data.decode())
    assert got == [*texts, "end"]


def test_an_answer_ends_after_enough_and_where_a_message_says_so() -> None:
    outbox = _outbox()
    outbox.put(bytes(200), ends_answer=True)
    for _ in range(6):
        outbox.put(bytes(32_747))
    sizes = []
    for _ in range(3):
        taken = outbox.take(0, 500_000, 131_072, _alive)
        assert taken is not None
        sizes.append([len(each) for each in taken.fragments])
    assert sizes == [[221], [32_768] * 4, [32_768] * 2]
    assert outbox.take(0, 500_000, 131_072, _alive) is None


@pytest.mark.parametrize(
    "data",
    [
        b"short",
        fragment(1, 0, b"x" * 40, last=True)[:-1],
        fragment(1, 1, b"x" * 40, last=True),
        fragment(1, 0, b"x" * 40, last=False) + fragment(1, 2, b"x", last=True),
        fragment(1, 0, b"x", last=True),
    ],
)
def test_broken_fragments_are_refused(data: bytes) -> None:
    with pytest.raises(FragmentError):
        Assembler().feed(data)


def test_a_full_outbox_waits_and_stop_wakes_it() -> None:
    outbox = _outbox(limit=10)
    outbox.put(bytes(10))
    ended = threading.Event()

    def write() -> None:
        with pytest.raises(PipelineStopped):
            outbox.put(b"x")
        ended.set()

    writer = threading.Thread(target=write)
    writer.start()
    assert not ended.wait(0.05)
    outbox.stop()
    assert ended.wait(5)
    writer.join()
    assert outbox.peak == 10
    outbox.finish(b"state")
    taken = outbox.take(0, 1_000, 1_000, _alive)
    assert taken is not None
    assert taken.done


def test_only_the_newest_receive_is_served_and_none_whose_client_is_gone() -> None:
    outbox = _outbox()
    results: list[type[BaseException]] = []

    def wait() -> None:
        try:
            outbox.take(10, 1_000, 1_000, _alive)
        except (Superseded, OutboxClosed) as error:
            results.append(type(error))

    first = threading.Thread(target=wait)
    first.start()
    while not outbox._turn:
        time.sleep(0.001)
    second = threading.Thread(target=wait)
    second.start()
    first.join(5)
    assert results == [Superseded]
    outbox.close()
    second.join(5)
    assert results == [Superseded, OutboxClosed]
    kept = _outbox()
    kept.put(b"x")
    with pytest.raises(Superseded):
        kept.take(0, 1_000, 1_000, lambda: False)
    assert kept.take(0, 1_000, 1_000, _alive) is not None
