"""Requests that are carried out once, however often they come: `Idempotency-Key`, kept in Redis for a day.

A key is its caller's own.  With it lies the digest of the request, a seed for what the request makes (so that
a repeat of one that was cut off makes the same again, and not a second), and then the answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any

from pydantic_core import from_json, to_json

from monarq.jobs.errors import JobRejected
from monarq.jobs.identity import new_job_id
from monarq.jobs.store.execute import Transport
from monarq.jobs.store.keys import IDEMPOTENCY

from .errors import KeyReused, RequestRefused, StillRunning

#: How long an answer is kept.
KEPT = timedelta(hours=24)
#: How long one request may take until a repeat of it no longer waits.
_LONGEST_WORK = timedelta(seconds=60)
_RETRY_AFTER_SECONDS = 1


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request under a key of the caller's."""

    key: str
    #: Tells it from other requests.
    digest: str

    @classmethod
    def of(cls, key: str, method: str, path: str, body: bytes) -> KeyedRequest:
        """From what came; a key may stand in quotes, as a structured field has it."""
        bare = key[1:-1] if len(key) > 2 and key[0] == key[-1] == '"' else key
        return cls(bare, sha256(b"\0".join((method.encode(), path.encode(), body))).hexdigest())


class IdempotencyKeys:
    """Keeps the answers."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def once(self, subject: str, asked: KeyedRequest, work: Callable[[str], Awaitable[Any]]) -> Any:
        """What `work` answers, as JSON data: now, or when the same request came first.

        Args:
            subject: Whose key it is.
            work: Carries the request out, with the seed of it.

        Raises:
            KeyReused: The key came with another request.
            StillRunning: The first one is not answered yet.
        """
        key = IDEMPOTENCY + sha256(f"{subject}\0{asked.key}".encode()).hexdigest()
        mine = {"digest": asked.digest, "seed": new_job_id(), "answer": None}
        kept = await self._transport.call("SET", key, to_json(mine), "NX", "GET", "PX", _ms(KEPT))
        record = mine if kept is None else from_json(kept)
        if record["digest"] != asked.digest:
            raise KeyReused
        if record["answer"] is not None:
            return record["answer"]
        if await self._transport.call("SET", f"{key}:runs", "1", "NX", "PX", _ms(_LONGEST_WORK)) is None:
            raise StillRunning(_RETRY_AFTER_SECONDS)
        return await self._work(key, record, work)

    async def _work(self, key: str, record: dict[str, Any], work: Callable[[str], Awaitable[Any]]) -> Any:
        try:
            answer = await work(record["seed"])
        except (JobRejected, RequestRefused):
            # nothing came of it, and mended it may come again under the same key
            await self._transport.call("DEL", key, f"{key}:runs")
            raise
        except Exception:
            # something may have: a repeat makes the same of the same seed
            await self._transport.call("DEL", f"{key}:runs")
            raise
        await self._transport.call("SET", key, to_json(record | {"answer": answer}), "PX", _ms(KEPT))
        await self._transport.call("DEL", f"{key}:runs")
        return answer


def _ms(span: timedelta) -> int:
    return round(span.total_seconds() * 1000)
