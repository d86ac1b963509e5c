"""What a worker and a child say to each other arrives as it was said, and nothing of it is pickled."""

import asyncio
import io
from dataclasses import fields
from datetime import timedelta
from typing import Any

import pytest

from monarq.jobs.failure import Cause, Failure
from monarq.jobs.outcome import Cancelled, Dead, Expired, Outcome, Released, Retrying, Snoozed, Succeeded
from monarq.jobs.store.keys import queue_keys
from monarq.jobs.store.verbs import Claimed
from monarq.worker.children.frames import Frame, pack, read, receive
from monarq.worker.children.wire import pack_claimed, pack_outcome, read_claimed, read_outcome

FAILURE = Failure(
    spent=2,
    crashes=1,
    lapses=3,
    cause=Cause.TIMEOUT,
    fence=4,
    worker="web-1",
    started_ms=5,
    ended_ms=6,
    error_type="TimeoutError",
    message="„late“ \\ud800",
    traceback="…",
)
OUTCOMES: list[Outcome] = [
    Succeeded(b'{"r":1}'),
    Succeeded(b""),
    Succeeded(None),
    Retrying(timedelta(days=1, microseconds=1), FAILURE),
    Dead(b"\x80\x00\xff", FAILURE),
    Dead(None, FAILURE),
    Cancelled(b"{}", FAILURE),
    Snoozed(timedelta(seconds=1.5)),
    Expired(None, None),
    Released(timedelta(0), None),
    Released(timedelta(seconds=0.25), FAILURE),
]


def sent(frame: Frame) -> Frame:
    return read(io.BytesIO(pack(*frame)))


@pytest.mark.parametrize("outcome", OUTCOMES, ids=repr)
def test_every_outcome_comes_back_as_it_is(outcome: Outcome) -> None:
    assert read_outcome(*sent(pack_outcome(outcome))) == outcome


def test_every_kind_of_outcome_is_among_them() -> None:
    assert {type(outcome) for outcome in OUTCOMES} == set(Outcome.__args__)


@pytest.mark.parametrize("body", [b"{}", b"", b"\x80\x04\xff", None])
def test_a_claimed_job_comes_back_as_it_is(body: bytes | None) -> None:
    queue = queue_keys("mail", tagged=True)
    claimed = Claimed(queue, "job \udcff „1“", 2, 3, 4, 5, 6, True, body, 7)
    received = read_claimed(*sent(pack_claimed(claimed)))
    for field in fields(Claimed):
        if field.name != "queue":
            assert getattr(received, field.name) == getattr(claimed, field.name)
    # queues are compared by identity, and this one is a copy
    assert (received.queue.name, received.queue.ranks) == (queue.name, queue.ranks)


@pytest.mark.parametrize("length", [0, 1, 7, 8, 20])
def test_a_frame_that_is_cut_off_is_the_end(length: int) -> None:
    """At any place: whoever wrote it has died."""
    cut = pack({"do": "run"}, b"body")[:length]
    with pytest.raises(EOFError):
        read(io.BytesIO(cut))


async def test_the_event_loop_reads_what_a_thread_reads() -> None:
    reader = asyncio.StreamReader()
    frames: list[tuple[dict[str, Any], bytes]] = [({"a": [1, None, "é"]}, b"x" * 100_000), ({}, b"")]
    for frame in frames:
        reader.feed_data(pack(*frame))
    assert [await receive(reader) for _ in frames] == frames
    reader.feed_data(b"\0\0")
    reader.feed_eof()
    with pytest.raises(EOFError):
        await receive(reader)
