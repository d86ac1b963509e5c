"""What the services stand on: connections, who may do what, and how others are told."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from monarq.jobs.settings import Settings
from monarq.jobs.store.address import from_url
from monarq.jobs.store.connection import Link
from monarq.jobs.store.event_bus import EventSender
from monarq.jobs.store.exporter import Exporter
from monarq.jobs.store.operations import Operations
from monarq.jobs.store.postgres import open_database_if_named
from monarq.producer.producer import Producer

from ..access.authorizer import Authorizer, GrantAuthorizer
from ..access.guard import Guard
from ..audit import Audit
from ..bus import Bus
from ..closing import Closing
from ..dead_letters import LettersFor, letters_for
from ..feed import Feed
from ..meters import Meters
from ..operations.runner import Runner
from ..operations.works import Works
from ..settings import DashboardSettings
from ..snapshot import Snapshots
from ..streams import MOST_STREAMS_PER_CALLER, Streams

if TYPE_CHECKING:
    from monarq.jobs.store.postgres.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Shared by all services of one dashboard."""

    link: Link
    #: None: then users and tokens come from the settings.
    database: Database | None
    guard: Guard
    audit: Audit
    producer: Producer
    #: What happens, inside of this process.
    bus: Bus
    letters: LettersFor
    operations: Operations
    works: Works
    #: Runs operations; none before somebody wakes it.
    runner: Runner
    feed: Feed
    streams: Streams
    #: Told when the server stops, before requests under way are waited for.
    closing: Closing
    #: One look at queues and workers for all who ask.
    snapshots: Snapshots
    http: httpx.AsyncClient
    sender: EventSender
    meters: Meters
    exporter: Exporter

    def let_go(self) -> None:
        """Answer all who wait now, and end all streams: the server stops, and waits for them."""
        self.closing.begin()

    async def close(self) -> None:
        """Let go of who waits, and close all connections."""
        self.let_go()
        await self.runner.close()
        await self.snapshots.close()
        await self.feed.close()
        await self.sender.close()
        await self.producer.close()
        await self.link.close()
        await self.http.aclose()
        await asyncio.to_thread(self.exporter.close)
        if self.database is not None:
            await self.database.close()


def lay_ground(
    settings: Settings, dashboard: DashboardSettings, *, authorizer: Authorizer | None = None
) -> Ground:
    """By the settings.  Nothing is connected before it is needed."""
    address = from_url(settings.redis_url.get_secret_value())
    link = Link(address)
    database = open_database_if_named(settings)
    roles = dashboard.all_roles()
    sender = EventSender(link)
    bus, closing = Bus(sender), Closing()
    audit, letters = Audit(database, bus), letters_for(link, database, settings)
    operations = Operations(link)
    works = Works(link, database, operations, letters, audit, bus, tagged=settings.hash_tags)
    return Ground(
        link=link,
        database=database,
        guard=Guard(authorizer or GrantAuthorizer(roles), roles, read_only=dashboard.read_only),
        audit=audit,
        producer=Producer(settings, transport=link),
        bus=bus,
        letters=letters,
        operations=operations,
        works=works,
        runner=Runner(operations, works),
        feed=Feed(address, bus, source=sender.source),
        streams=Streams(closing, most=dashboard.max_streams, most_per_caller=MOST_STREAMS_PER_CALLER),
        closing=closing,
        snapshots=Snapshots(link, database, settings, bus),
        http=httpx.AsyncClient(follow_redirects=False, trust_env=False),
        sender=sender,
        meters=Meters(),
        exporter=Exporter(address, settings),
    )
