"""Jobs that wait in Redis although they have ended, as PostgreSQL knows: Redis went back, and forgot it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from ...errors import StoreRefused
from ..execute import Transport
from ..keys import QueueKeys
from ..queues import known_queues
from .database import Database
from .repositories.open_jobs import OpenJobs

#: Ids that are asked for at once; Redis may give some more or less.
_PAGE = 1_000


async def ended_strays(transport: Transport, database: Database, *, tagged: bool) -> AsyncIterator[str]:
    """Their ids.  The worker that claims one ends it as it has ended, without running it.

    Goes through all that waits, since it may be much less than what has ended.
    """
    for queue in await known_queues(transport, tagged=tagged):
        async for page in _waiting(transport, queue):
            async with database.connection() as connection:
                ended = await OpenJobs(connection).ended_among(page)
            for job_id in ended:
                # one that runs is about to be settled
                if await transport.call("ZSCORE", queue.running, job_id) is None:
                    yield job_id


async def _waiting(transport: Transport, queue: QueueKeys) -> AsyncIterator[list[str]]:
    try:
        kinds = await transport.call("HKEYS", queue.pause)
    except StoreRefused:  # no hash: nothing is paused
        kinds = []
    for zset in (*queue.ranks, *(queue.parked(kind.decode("utf-8", "replace")) for kind in kinds)):
        cursor: bytes | int = 0
        while True:
            cursor, found = await transport.call("ZSCAN", zset, cursor, "COUNT", _PAGE)
            yield [member.decode("utf-8", "replace").replace("\0", "") for member in found[::2]]
            if int(cursor) == 0:
                break
