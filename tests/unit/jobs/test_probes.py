"""Looks at the stores: side by side, and each with a word of its own for what is wrong."""

import asyncio

import pytest

from monarq.jobs import probes
from monarq.jobs.errors import StoreUnavailable
from monarq.jobs.probes import look_at, readiness


async def fine() -> None: ...


async def away() -> None:
    raise StoreUnavailable("it is away")


async def silent() -> None:
    await asyncio.Event().wait()


async def test_each_store_has_its_own_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "_STORE_PATIENCE", 0.02)
    found = await look_at(redis=fine(), postgres=away(), directory=silent())
    assert found == {"redis": "ok", "postgres": "store_unavailable", "directory": "no_answer"}


async def test_a_silent_store_is_not_taken_for_a_loop_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two that are silent take no longer than one."""
    monkeypatch.setattr(probes, "_STORE_PATIENCE", 0.6)
    monkeypatch.setattr(probes, "_PATIENCE", 1.0)
    loop = asyncio.get_running_loop()
    told = await asyncio.to_thread(readiness, loop, lambda: look_at(redis=silent(), postgres=silent()))
    assert told == (False, {"ready": False, "checks": {"redis": "no_answer", "postgres": "no_answer"}})
