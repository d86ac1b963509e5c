"""A dashboard under test, and those who ask it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import httpx
import redis.asyncio
from pydantic_core import to_json

from monarq.dashboard.access.grants import GRANTS
from monarq.dashboard.app import Front
from monarq.dashboard.auth.passwords import hash_password
from monarq.dashboard.auth.secrets import new_token
from monarq.dashboard.directory.directory import NewToken, User
from monarq.dashboard.services.services import Services, directory_of
from monarq.jobs.envelope import Envelope, decode
from monarq.jobs.identity import new_job_id
from monarq.jobs.record import Attempt, encode_failure, encode_success
from monarq.jobs.settings import Settings
from monarq.jobs.state import State
from monarq.jobs.store.keys import JOB, queue_keys
from monarq.jobs.store.verbs import Verb
from tests.contract.store import Store, a_failure, an_end

from .kinds import KINDS

ORIGIN = "http://localhost:8080"
PASSWORD = "correct horse battery"
#: Hashed once: it takes its time, by design.
_HASH = hash_password(PASSWORD)
_numbers = count(1)


class House:
    """One dashboard, asked without a socket in between."""

    def __init__(self, app: Front, services: Services, settings: Settings) -> None:
        self.app = app
        self.services = services
        self.settings = settings
        self.directory = directory_of(services.database, services.settings)
        self._clients: list[httpx.AsyncClient] = []
        self.kinds = KINDS
        self.redis = redis.asyncio.Redis.from_url(settings.redis_url.get_secret_value())

    def client(self, *, address: str = "127.0.0.1", base: str = ORIGIN, **headers: str) -> httpx.AsyncClient:
        """Somebody at this address, who sends these headers (`_` stands for `-`)."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False, client=(address, 1234))
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        client = httpx.AsyncClient(transport=transport, base_url=base, headers=sent)
        self._clients.append(client)
        return client

    async def user(self, *grants: dict[str, Any], name: str | None = None) -> User:
        """A new user, whose password is `PASSWORD`."""
        user = User(
            id=new_job_id(),
            name=name or f"user-{next(_numbers)}",
            grants=GRANTS.validate_python(grants),
            password_hash=_HASH,
            created_by="test",
        )
        assert await self.directory.add_user(user) is not None
        return user

    async def browser(self, *grants: dict[str, Any], user: User | None = None) -> httpx.AsyncClient:
        """A new user's browser, logged in."""
        who = user or await self.user(*grants)
        client = self.client(sec_fetch_site="same-origin")
        answer = await client.post("/v1/sessions", json={"name": who.name, "password": PASSWORD})
        assert answer.status_code == 201, answer.text
        return client

    async def token(
        self, *grants: dict[str, Any], owner: User | None = None, life: timedelta = timedelta(days=1)
    ) -> tuple[str, str]:
        """A new token, and its id."""
        secret, digest, hint = new_token()
        token = NewToken(
            id=new_job_id(),
            name=f"token-{next(_numbers)}",
            digest=digest,
            hint=hint,
            grants=GRANTS.validate_python(grants),
            expires_at=datetime.now(UTC) + life,
            owner_id=owner.id if owner else None,
            created_by="test",
        )
        await self.directory.add_token(token)
        return secret, token.id

    async def program(self, *grants: dict[str, Any], address: str = "127.0.0.1") -> httpx.AsyncClient:
        """A program with a new token."""
        secret, _ = await self.token(*grants)
        return self.client(address=address, authorization=f"Bearer {secret}")

    @property
    def store(self) -> Store:
        """The queue `mail` behind the dashboard."""
        return self.store_of("mail")

    def store_of(self, queue: str) -> Store:
        """A queue behind the dashboard, for those who play a worker."""
        return Store(self.services.link, self.redis, queue_keys(queue))

    async def envelope(self, job_id: str) -> Envelope:
        """What Redis has of a job that has not ended."""
        return decode(await self.services.link.call("GET", JOB + job_id))

    async def run_one(
        self,
        job_id: str,
        *,
        verb: Verb = Verb.SUCCEEDED,
        result: Any = None,
        queue: str = "mail",
        **told: Any,
    ) -> None:
        """Play the worker that claims this job, and end its attempt so."""
        store = self.store_of(queue)
        await store.at(job_id, await store.now() - 1)
        [claimed] = [one for one in await store.claim(100) if one.job_id == job_id]
        envelope = decode(claimed.body or b"")
        now_ms = await store.now()
        attempt = Attempt(job_id, queue, claimed.starts, now_ms, now_ms)
        failure = told.get("failure")
        if failure is not None:
            failure = told["failure"] = replace(failure, fence=claimed.starts)
        if verb is Verb.SUCCEEDED:
            record = encode_success(envelope, attempt, to_json(result))
        else:
            record = encode_failure(envelope, attempt, failure or a_failure(), State.DEAD)
        keeps = verb not in (Verb.RETRYING, Verb.RELEASED)
        assert await store.settle(an_end(claimed, verb, result=record if keeps else None, **told)) == [True]

    async def close(self) -> None:
        await self.redis.aclose()
        for client in self._clients:
            await client.aclose()
        await self.services.close()
