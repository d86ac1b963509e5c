"""The services of a worker that need PostgreSQL, in one place: made only if the settings name a database."""

from __future__ import annotations

from collections.abc import Mapping

from monarq.jobs.settings import Settings
from monarq.jobs.store.execute import Transport
from monarq.jobs.store.keys import QueueKeys
from monarq.jobs.store.postgres.archive import Archive
from monarq.jobs.store.postgres.database import Database

from .maintenance.archiver import Archiver
from .maintenance.duties import Duty


class Persistence:
    """What a worker does with PostgreSQL.  Each service is a named field.

    Args:
        database: Closed by `close`.
        link: For duties; what is on a job's way has a connection of its own.
        queues: Those that the worker serves.
    """

    def __init__(
        self,
        database: Database,
        link: Transport,
        queues: Mapping[QueueKeys, int],
        settings: Settings,
        *,
        worker_id: str,
    ) -> None:
        self.database = database
        archive = Archive(link, database, keep=settings.dead_keep, tagged=settings.hash_tags)
        #: What is done now and then, beside the worker's other duties.
        self.duties: tuple[Duty, ...] = (Archiver(archive, queues, keep=settings.dead_keep),)

    async def close(self) -> None:
        """Close the connections to PostgreSQL."""
        await self.database.close()
