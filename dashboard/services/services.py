"""What the HTTP app stands on.  Each part is a named field; routes ask these and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from monarq.jobs.registry import Registry
from monarq.jobs.settings import Settings
from monarq.jobs.store.address import from_url
from monarq.jobs.store.connection import Link
from monarq.jobs.store.event_bus import EventSender
from monarq.jobs.store.postgres import open_database_if_named
from monarq.producer.producer import Producer

from ..access.authorizer import Authorizer, GrantAuthorizer
from ..access.guard import Guard
from ..audit import Audit
from ..auth.authenticator import Authenticator
from ..auth.jwks import RemoteKeys
from ..auth.jwts import JwtIssuer, JwtVerifier, Trusted
from ..auth.passwords import Passwords
from ..auth.sessions import Sessions
from ..auth.signing import SigningKeys
from ..bus import Bus
from ..directory.directory import Directory
from ..directory.settings import SettingsDirectory
from ..feed import Feed
from ..idempotency import IdempotencyKeys
from ..kinds import load_kinds
from ..limits import Limiter, amounts_of
from ..settings import DashboardSettings, Issuer
from ..streams import MOST_STREAMS_PER_CALLER, Streams
from ..topics import Topics
from .configuration import ConfigurationService
from .enqueuing import EnqueueService
from .events import EventService
from .health import HealthService
from .insights import InsightService
from .jobs import JobService
from .kinds import KindService
from .logins import LoginService
from .numbers import History, Samples
from .queues import QueueService
from .tokens import TokenService
from .users import UserService

if TYPE_CHECKING:
    from monarq.jobs.store.postgres.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """All parts of one dashboard.  Made by `open_services`, in the event loop that uses them."""

    settings: DashboardSettings
    link: Link
    #: None: then users and tokens come from the settings.
    database: Database | None
    guard: Guard
    authenticator: Authenticator
    limiter: Limiter
    signing_keys: SigningKeys
    jwt_issuer: JwtIssuer
    queues: QueueService
    jobs: JobService
    enqueuing: EnqueueService
    kinds: KindService
    users: UserService
    tokens: TokenService
    logins: LoginService
    insights: InsightService
    health: HealthService
    _producer: Producer
    #: What happens, inside of this process; `events` are the streams of it.
    bus: Bus
    events: EventService
    streams: Streams
    _feed: Feed
    _sender: EventSender
    configuration: ConfigurationService
    _http: httpx.AsyncClient

    async def close(self) -> None:
        """End all streams, and close all connections."""
        self.streams.end()
        await self._producer.close()
        await self._feed.close()
        await self._sender.close()
        await self.link.close()
        await self.limiter.close()
        await self._http.aclose()
        if self.database is not None:
            await self.database.close()


def open_services(
    settings: Settings,
    dashboard: DashboardSettings,
    *,
    authorizer: Authorizer | None = None,
    kinds: Registry | None = None,
) -> Services:
    """The parts, by the settings.  Nothing is connected before it is needed.

    Args:
        authorizer: Decides instead of the grants.
        kinds: What can be enqueued; by default, what the modules of the settings hold.
    """
    address = from_url(settings.redis_url.get_secret_value())
    link = Link(address)
    database = open_database_if_named(settings)
    directory = directory_of(database, dashboard)
    roles = dashboard.all_roles()
    guard = Guard(authorizer or GrantAuthorizer(roles), roles, read_only=dashboard.read_only)
    http = httpx.AsyncClient(follow_redirects=False, trust_env=False)
    sessions = Sessions(link, idle=dashboard.session_idle, lifetime=dashboard.session_lifetime)
    limiter = Limiter(settings.redis_url.get_secret_value(), amounts_of(dashboard))
    secret_keys = dashboard.signing_keys
    keys = SigningKeys.read(secret_keys.get_secret_value() if secret_keys else "")
    jwt_issuer = JwtIssuer(dashboard.issuer, dashboard.audience, keys, dashboard.jwt_lifetime)
    issuers = {issuer.issuer: issuer for issuer in dashboard.issuers}
    trusted = {name: _trusted(issuer, http) for name, issuer in issuers.items()}
    verifier = JwtVerifier(dashboard.issuer, dashboard.audience, keys, trusted)
    authenticator = Authenticator(directory, sessions, verifier, link, issuers)
    known = load_kinds(settings) if kinds is None else kinds
    producer = Producer(settings, transport=link)
    sender = EventSender(link)
    bus = Bus(sender)
    feed = Feed(address, bus, source=sender.source)
    streams = Streams(most=dashboard.max_streams, most_per_caller=MOST_STREAMS_PER_CALLER)
    audit, passwords = Audit(database, bus), Passwords()
    return Services(
        settings=dashboard,
        link=link,
        database=database,
        guard=guard,
        authenticator=authenticator,
        limiter=limiter,
        signing_keys=keys,
        jwt_issuer=jwt_issuer,
        jobs=JobService(link, database, settings, guard, audit, bus, producer, known, streams.ending),
        enqueuing=EnqueueService(guard, audit, bus, producer, known, IdempotencyKeys(link)),
        kinds=KindService(link, guard, known),
        queues=QueueService(link, guard, audit, bus, tagged=settings.hash_tags),
        users=UserService(directory, sessions, passwords, guard, audit),
        tokens=TokenService(directory, guard, audit),
        logins=LoginService(directory, sessions, passwords, limiter, jwt_issuer, authenticator, audit),
        insights=InsightService(guard, Samples(link, tagged=settings.hash_tags), history_of(database)),
        health=HealthService(link, directory if database else None),
        _producer=producer,
        bus=bus,
        events=EventService(bus, feed, Topics(bus), streams, guard, authenticator),
        streams=streams,
        _feed=feed,
        _sender=sender,
        configuration=ConfigurationService(settings, dashboard, guard),
        _http=http,
    )


def directory_of(database: Database | None, dashboard: DashboardSettings) -> Directory:
    """Who keeps users and tokens: PostgreSQL if there is one, else the settings."""
    if database is None:
        return SettingsDirectory(dashboard)
    from ..directory.postgres import PostgresDirectory

    return PostgresDirectory(database)


def history_of(database: Database | None) -> History | None:
    """The history in numbers, if there is a PostgreSQL."""
    if database is None:
        return None
    from monarq.jobs.store.postgres.rollup_reader import RollupReader

    return History(RollupReader(database))


def _trusted(issuer: Issuer, http: httpx.AsyncClient) -> Trusted:
    return Trusted(
        audience=issuer.audience,
        algorithms=issuer.algorithms,
        types=issuer.types,
        keys=RemoteKeys(issuer.jwks_url, issuer.algorithms, http),
    )
