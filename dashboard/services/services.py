"""What the HTTP app stands on.  Each part is a named field; routes ask these and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from monarq.jobs.registry import Registry
from monarq.jobs.settings import Settings
from monarq.jobs.store.connection import Link
from monarq.jobs.store.snoozes import Snoozes

from ..access.authorizer import Authorizer
from ..access.guard import Guard
from ..auth.authenticator import Authenticator
from ..auth.jwks import RemoteKeys
from ..auth.jwts import JwtIssuer, JwtVerifier, Trusted
from ..auth.passwords import Passwords
from ..auth.sessions import Sessions
from ..auth.signing import SigningKeys
from ..bus import Bus
from ..cursors import Cursors
from ..directory.directory import Directory
from ..directory.settings import SettingsDirectory
from ..idempotency import IdempotencyKeys
from ..kinds import load_kinds
from ..limits import Limiter, amounts_of
from ..settings import DashboardSettings, Issuer
from ..streams import Streams
from ..topics import Topics
from .audit import AuditService
from .completions import CompletionService
from .configuration import ConfigurationService
from .enqueuing import EnqueueService
from .events import EventService
from .fleet import FleetService
from .ground import Ground, lay_ground
from .health import HealthService
from .insights import InsightService
from .jobs import JobService
from .kinds import KindService
from .letter_groups import LetterGroupService
from .letters import LetterService
from .logins import LoginService
from .metrics import MetricsService
from .numbers import History, Samples
from .operations import OperationService
from .queues import QueueService
from .search import SearchService
from .tokens import TokenService
from .top_failures import TopFailures
from .users import UserService
from .views import ViewService
from .workers import WorkerService

if TYPE_CHECKING:
    from monarq.jobs.store.postgres.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """All parts of one dashboard.  Made by `open_services`, in the event loop that uses them."""

    settings: DashboardSettings
    ground: Ground
    authenticator: Authenticator
    limiter: Limiter
    signing_keys: SigningKeys
    jwt_issuer: JwtIssuer
    queues: QueueService
    workers: WorkerService
    fleet: FleetService
    search: SearchService
    completions: CompletionService
    views: ViewService
    jobs: JobService
    enqueuing: EnqueueService
    kinds: KindService
    letters: LetterService
    letter_groups: LetterGroupService
    top_failures: TopFailures
    operations: OperationService
    users: UserService
    tokens: TokenService
    logins: LoginService
    insights: InsightService
    health: HealthService
    events: EventService
    audit: AuditService
    configuration: ConfigurationService
    metrics: MetricsService

    @property
    def link(self) -> Link:
        return self.ground.link

    @property
    def database(self) -> Database | None:
        return self.ground.database

    @property
    def guard(self) -> Guard:
        return self.ground.guard

    @property
    def bus(self) -> Bus:
        return self.ground.bus

    @property
    def streams(self) -> Streams:
        return self.ground.streams

    def let_go(self) -> None:
        """Answer all who wait now, and end all streams: the server stops, and waits for them."""
        self.ground.let_go()

    async def close(self) -> None:
        """Let go of who waits, and close all connections."""
        await self.limiter.close()
        await self.ground.close()


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
    on = lay_ground(settings, dashboard, authorizer=authorizer)
    link, database, guard, audit, bus = on.link, on.database, on.guard, on.audit, on.bus
    directory, passwords = directory_of(database, dashboard), Passwords()
    sessions = Sessions(link, idle=dashboard.session_idle, lifetime=dashboard.session_lifetime)
    limiter = Limiter(settings.redis_url.get_secret_value(), amounts_of(dashboard))
    keys = signing_keys_of(dashboard)
    jwt_issuer = JwtIssuer(dashboard.issuer, dashboard.audience, keys, dashboard.jwt_lifetime)
    authenticator = _authenticator(directory, sessions, dashboard, keys, on)
    queues = QueueService(link, guard, audit, bus, on.snapshots, settings)
    workers = WorkerService(link, guard, audit, on.snapshots)
    groups = LetterGroupService(on.letters, Snoozes(link), guard, audit, bus)
    known = load_kinds(settings) if kinds is None else kinds
    search = SearchService(link, database, guard, _cursors(settings, dashboard), tagged=settings.hash_tags)
    return Services(
        settings=dashboard,
        ground=on,
        authenticator=authenticator,
        limiter=limiter,
        signing_keys=keys,
        jwt_issuer=jwt_issuer,
        queues=queues,
        workers=workers,
        fleet=FleetService(guard, queues, workers, on.snapshots, settings),
        search=search,
        completions=CompletionService(search, guard),
        jobs=JobService(link, database, settings, guard, audit, bus, on.producer, known, on.closing),
        enqueuing=EnqueueService(guard, audit, bus, on.producer, known, IdempotencyKeys(link)),
        views=ViewService(link, guard),
        kinds=KindService(on.snapshots, guard, known),
        letters=LetterService(on.letters, guard, audit, bus),
        letter_groups=groups,
        top_failures=TopFailures(groups, guard),
        operations=OperationService(on.operations, on.works, on.runner, guard, audit),
        users=UserService(directory, sessions, passwords, guard, audit),
        tokens=TokenService(directory, guard, audit),
        logins=LoginService(directory, sessions, passwords, limiter, jwt_issuer, authenticator, audit),
        insights=insights_of(settings, link, database, guard),
        health=HealthService(link, directory if database else None),
        events=EventService(bus, on.feed, on.snapshots.pulse, Topics(bus), on.streams, guard, authenticator),
        audit=AuditService(database, guard),
        configuration=ConfigurationService(settings, dashboard, guard),
        metrics=MetricsService(on, guard),
    )


def _cursors(settings: Settings, dashboard: DashboardSettings) -> Cursors:
    """Sealed by what all processes of this dashboard have in common, and nobody else knows."""
    keys = dashboard.signing_keys
    return Cursors((settings.redis_url if keys is None else keys).get_secret_value())


def signing_keys_of(dashboard: DashboardSettings) -> SigningKeys:
    """What signs the JWTs of this dashboard; none if the settings have none."""
    keys = dashboard.signing_keys
    return SigningKeys.read(keys.get_secret_value() if keys else "")


def directory_of(database: Database | None, dashboard: DashboardSettings) -> Directory:
    """Who keeps users and tokens: PostgreSQL if there is one, else the settings."""
    if database is None:
        return SettingsDirectory(dashboard)
    from ..directory.postgres import PostgresDirectory

    return PostgresDirectory(database)


def insights_of(settings: Settings, link: Link, database: Database | None, guard: Guard) -> InsightService:
    """Numbers over time: from PostgreSQL if there is one, and from Redis."""
    history = None
    if database is not None:
        from monarq.jobs.store.postgres.rollup_reader import RollupReader

        history = History(RollupReader(database))
    samples = Samples(link, tagged=settings.hash_tags)
    return InsightService(guard, samples, history, settings.objective)


def _authenticator(
    directory: Directory, sessions: Sessions, dashboard: DashboardSettings, keys: SigningKeys, on: Ground
) -> Authenticator:
    issuers = {issuer.issuer: issuer for issuer in dashboard.issuers}
    return Authenticator(directory, sessions, _verifier(dashboard, keys, on.http), on.link, issuers)


def _verifier(dashboard: DashboardSettings, keys: SigningKeys, http: httpx.AsyncClient) -> JwtVerifier:
    trusted = {issuer.issuer: _trusted(issuer, http) for issuer in dashboard.issuers}
    return JwtVerifier(dashboard.issuer, dashboard.audience, keys, trusted)


def _trusted(issuer: Issuer, http: httpx.AsyncClient) -> Trusted:
    return Trusted(
        audience=issuer.audience,
        algorithms=issuer.algorithms,
        types=issuer.types,
        keys=RemoteKeys(issuer.jwks_url, issuer.algorithms, http),
    )
