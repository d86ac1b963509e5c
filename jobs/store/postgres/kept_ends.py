"""Ends of durable jobs that Redis keeps while PostgreSQL is away, and how PostgreSQL is told of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import structlog

from ..execute import Transport
from ..keys import QueueKeys
from .database import Database
from .recording import Verdict, record_ends
from .repositories.durable_jobs import Ended

log = structlog.get_logger("monarq.postgres")

_BATCH = 200


async def count(transport: Transport, queue: QueueKeys) -> int:
    """How many ends of this queue are kept."""
    found: int = await transport.call("LLEN", queue.ends)
    return found


async def kept_ids(transport: Transport, queue: QueueKeys) -> set[str]:
    """The jobs of this queue whose ends are kept."""
    if not await count(transport, queue):
        return set()
    entries = await transport.call("LRANGE", queue.ends, 0, -1)
    return {end.job_id for entry in entries if (end := _read(entry)) is not None}


async def drain(transport: Transport, database: Database, queue: QueueKeys) -> int:
    """Tell PostgreSQL of all ends that are kept for a queue, in their order; how many.

    Several who do it at once do no harm: what is recorded twice is recorded once.

    Raises:
        StoreUnavailable: One of the two did not answer; what PostgreSQL was not told of is still kept.
    """
    told = 0
    while entries := await transport.call("LRANGE", queue.ends, 0, _BATCH - 1):
        batch = _one_per_job(entries)
        await _record(database, [end for _, end in batch if end is not None])
        # by their values: somebody else may have taken some of them meanwhile
        await asyncio.gather(*(transport.call("LREM", queue.ends, 1, entry) for entry, _ in batch))
        told += len(batch)
    return told


async def _record(database: Database, ends: Sequence[Ended]) -> None:
    if not ends:
        return
    for end, (verdict, standing) in zip(ends, await record_ends(database, ends), strict=True):
        if verdict in (Verdict.REFUSED, Verdict.UNKNOWN):
            became = None if standing is None else standing.state
            log.warning("durable.kept_end_refused", job_id=end.job_id, outcome=end.state, recorded=became)


def _one_per_job(entries: Sequence[bytes]) -> list[tuple[bytes, Ended | None]]:
    """As many from the first on as are of different jobs; None for one that cannot be read."""
    batch: list[tuple[bytes, Ended | None]] = []
    seen: set[str] = set()
    for entry in entries:
        end = _read(entry)
        if end is not None and end.job_id in seen:
            break
        if end is not None:
            seen.add(end.job_id)
        batch.append((entry, end))
    return batch


def _read(entry: bytes) -> Ended | None:
    try:
        # what settle.lua was given may be any bytes, and stands in the JSON as it was
        document = json.loads(entry.decode("utf-8", "surrogateescape"))
        worker, _, number = document["fence"].rpartition(":")
        return Ended(
            document["id"],
            int(number),
            worker,
            document["verb"],
            _bytes(document["result"]),
            _bytes(document["failure"]),
            datetime.fromtimestamp(int(document["ms"]) / 1000, UTC),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        log.error("durable.kept_end_unreadable", entry=repr(entry[:200]), error=str(error))
        return None


def _bytes(text: Any) -> bytes | None:
    return text.encode("utf-8", "surrogateescape") or None
