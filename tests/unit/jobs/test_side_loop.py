"""A loop in a thread of its own, for threads that have none."""

import asyncio
import threading
from contextlib import suppress

import pytest

from monarq.jobs.probes import liveness
from monarq.jobs.side_loop import SideLoop


async def _name() -> str:
    return threading.current_thread().name


async def _nothing() -> None: ...


def test_it_begins_when_it_is_needed_and_ends_with_a_last_thing() -> None:
    loop, done = SideLoop("beside"), threading.Event()
    assert "beside" not in {thread.name for thread in threading.enumerate()}
    assert loop.run(_name, timeout=5) == "beside"

    async def last() -> None:
        done.set()

    loop.stop(last, timeout=5)
    assert done.is_set()
    assert "beside" not in {thread.name for thread in threading.enumerate()}
    with pytest.raises(TimeoutError):
        loop.run(_name, timeout=5)


def test_who_waits_too_long_goes_on_and_what_was_begun_is_cancelled() -> None:
    loop, was_cancelled = SideLoop("beside"), threading.Event()

    async def for_ever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            was_cancelled.set()

    with pytest.raises(TimeoutError):
        loop.run(for_ever, timeout=0.05)
    assert was_cancelled.wait(5)
    loop.stop(_nothing, timeout=5)


def test_what_is_under_way_is_cancelled_with_the_loop() -> None:
    loop, has_begun, was_cancelled = SideLoop("beside"), threading.Event(), threading.Event()

    async def for_ever() -> None:
        has_begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            was_cancelled.set()

    def wait() -> None:
        with suppress(TimeoutError):
            loop.run(for_ever, timeout=5)

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert has_begun.wait(5)
    loop.stop(_nothing, timeout=5)
    assert was_cancelled.is_set()
    waiting.join(5)
    assert not waiting.is_alive()


def test_one_that_has_never_begun_ends_at_once() -> None:
    SideLoop("beside").stop(_nothing, timeout=0)


def test_a_loop_that_is_closed_is_not_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monarq.jobs.probes._PATIENCE", 0.01)
    loop = asyncio.new_event_loop()
    loop.close()
    assert liveness(loop) == (False, {"alive": False})
