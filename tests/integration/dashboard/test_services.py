"""Services demand the permission themselves: who comes by another way than the routes is judged as well."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monarq.dashboard.access.caller import Caller, Means
from monarq.dashboard.errors import NotPermitted, NotThere
from monarq.dashboard.operations.actions import Action
from monarq.dashboard.operations.filters import OperationFilter
from monarq.dashboard.services import job_sections
from monarq.dashboard.services.audit import AuditService
from monarq.dashboard.services.completions import CompletionService
from monarq.dashboard.services.configuration import ConfigurationService
from monarq.dashboard.services.enqueuing import EnqueueService, JobOrder
from monarq.dashboard.services.fleet import FleetService
from monarq.dashboard.services.insights import InsightService, Order
from monarq.dashboard.services.jobs import JobService
from monarq.dashboard.services.kinds import KindService
from monarq.dashboard.services.letter_groups import LetterGroupService
from monarq.dashboard.services.letters import LetterService
from monarq.dashboard.services.operations import OperationService, WorkOrder
from monarq.dashboard.services.queues import QueueService
from monarq.dashboard.services.search import SearchService
from monarq.dashboard.services.series import Metric
from monarq.dashboard.services.services import Services
from monarq.dashboard.services.tokens import TokenService
from monarq.dashboard.services.top_failures import TopFailures
from monarq.dashboard.services.users import UserService
from monarq.dashboard.services.views import ViewService
from monarq.dashboard.services.windows import Wish
from monarq.dashboard.services.workers import WorkerService
from monarq.jobs.priority import Priority
from monarq.jobs.store.audit_filter import AuditFilter
from monarq.jobs.store.job_search import JobSearch
from monarq.jobs.store.letter_filter import LetterFilter
from monarq.jobs.store.letter_pages import Turn

from .house import House

ORDER = JobOrder(kind="mail.send", args={"user_id": 1})
Call = Callable[[Services, Caller], Awaitable[Any]]
FINGERPRINT = "0" * 16
SOON = datetime.now(UTC) + timedelta(hours=1)
REPLAY_ALL = WorkOrder(Action.REPLAY, OperationFilter())
CALLS: dict[str, Call] = {
    "audit.list": lambda it, who: it.audit.list(who, AuditFilter()),
    "queues.list": lambda it, who: it.queues.list(who),
    "queues.get": lambda it, who: it.queues.get(who, "mail"),
    "queues.pause": lambda it, who: it.queues.pause(who, "mail", kind=None, why="x", until=None, now=False),
    "queues.resume": lambda it, who: it.queues.resume(who, "mail", kind=None),
    "letters.list": lambda it, who: it.letters.list(who, LetterFilter(), Turn()),
    "letters.get": lambda it, who: it.letters.get(who, "x"),
    "letters.replay": lambda it, who: it.letters.replay(who, "x"),
    "letters.discard": lambda it, who: it.letters.discard(who, "x"),
    "letter_groups.list": lambda it, who: it.letter_groups.list(who, LetterFilter(), snoozed=False),
    "letter_groups.count": lambda it, who: it.letter_groups.count(who, LetterFilter()),
    "letter_groups.get": lambda it, who: it.letter_groups.get(who, FINGERPRINT),
    "letter_groups.snooze": lambda it, who: it.letter_groups.snooze(who, FINGERPRINT, until=SOON, why=""),
    "letter_groups.wake": lambda it, who: it.letter_groups.wake(who, FINGERPRINT),
    "operations.list": lambda it, who: it.operations.list(who, after="", limit=1),
    "operations.get": lambda it, who: it.operations.get(who, "x"),
    "operations.plan": lambda it, who: it.operations.plan(who, REPLAY_ALL),
    "operations.begin": lambda it, who: it.operations.begin(who, "x", REPLAY_ALL, None),
    "operations.cancel": lambda it, who: it.operations.cancel(who, "x"),
    "search.page": lambda it, who: it.search.page(who, JobSearch(), limit=1),
    "search.view": lambda it, who: it.search.view(
        who, JobSearch(), order=job_sections.Order.STATE, cursor=None, limit=1, as_of="x"
    ),
    "search.count": lambda it, who: it.search.count(who, JobSearch()),
    "search.export": lambda it, who: anext(
        it.search.export(who, JobSearch(), order=job_sections.Order.STATE, at_most=1)
    ),
    "completions.values": lambda it, who: it.completions.values(who, "queue"),
    "views.list": lambda it, who: it.views.list(who),
    "views.keep": lambda it, who: it.views.keep(who, "x", "q=x"),
    "views.forget": lambda it, who: it.views.forget(who, "x"),
    "completions.complete": lambda it, who: it.completions.complete(who, "queue:", 6),
    "insights.series": lambda it, who: it.insights.series(who, Metric.THROUGHPUT, Wish()),
    "insights.kinds": lambda it, who: it.insights.kinds(who, Wish(), Order.BUSIEST, limit=1),
    "insights.queues": lambda it, who: it.insights.queues(who, Wish()),
    "insights.sparklines": lambda it, who: it.insights.sparklines(who),
    "queues.purge": lambda it, who: it.queues.purge(who, "mail", confirm="mail", why="x"),
    "workers.list": lambda it, who: it.workers.list(who),
    "workers.get": lambda it, who: it.workers.get(who, "x"),
    "workers.drain": lambda it, who: it.workers.drain(who, "x", why="x"),
    "top_failures.list": lambda it, who: it.top_failures.list(who),
    "fleet.overview": lambda it, who: it.fleet.overview(who),
    "fleet.scaling": lambda it, who: it.fleet.scaling(who, "mail"),
    "jobs.get": lambda it, who: it.jobs.get(who, "x"),
    "jobs.why": lambda it, who: it.jobs.why(who, "x"),
    "jobs.retry": lambda it, who: it.jobs.retry(who, "x"),
    "jobs.with_secrets": lambda it, who: it.jobs.with_secrets(who, "x", {}),
    "jobs.cancel": lambda it, who: it.jobs.cancel(who, "x", reason=""),
    "jobs.reschedule": lambda it, who: it.jobs.reschedule(who, "x", due=timedelta(0)),
    "jobs.set_priority": lambda it, who: it.jobs.set_priority(who, "x", Priority.LOW),
    "enqueuing.enqueue": lambda it, who: it.enqueuing.enqueue(who, ORDER),
    "enqueuing.enqueue_many": lambda it, who: it.enqueuing.enqueue_many(who, [ORDER]),
    "kinds.list": lambda it, who: it.kinds.list(who),
    "kinds.get": lambda it, who: it.kinds.get(who, "mail.send"),
    "users.list": lambda it, who: it.users.list(who, after="", limit=1),
    "users.get": lambda it, who: it.users.get(who, "x"),
    "users.create": lambda it, who: it.users.create(who, name="x", password=None, grants=()),
    "users.change": lambda it, who: it.users.change(who, "x", is_active=False),
    "users.offer_login": lambda it, who: it.users.offer_login(who, "x"),
    "users.delete": lambda it, who: it.users.delete(who, "x"),
    "configuration.list": lambda it, who: it.configuration.list(who),
    "configuration.roles": lambda it, who: it.configuration.roles(who),
    "tokens.list": lambda it, who: it.tokens.list(who, after="", limit=1),
    "tokens.get": lambda it, who: it.tokens.get(who, "x"),
    "tokens.create": lambda it, who: it.tokens.create(who, name="x", grants=(), life=timedelta(days=1)),
    "tokens.revoke": lambda it, who: it.tokens.revoke(who, "x"),
}
NOBODY = Caller(subject="user:1", name="nobody", grants=(), means=Means.SESSION)


@pytest.mark.parametrize("name", CALLS)
async def test_a_service_does_nothing_for_who_has_no_grant(house: House, name: str) -> None:
    with pytest.raises(NotPermitted):
        await CALLS[name](house.services, NOBODY)


def test_every_method_of_a_service_is_in_the_table() -> None:
    services = {
        "audit": AuditService,
        "queues": QueueService,
        "configuration": ConfigurationService,
        "letters": LetterService,
        "letter_groups": LetterGroupService,
        "operations": OperationService,
        "search": SearchService,
        "completions": CompletionService,
        "views": ViewService,
        "insights": InsightService,
        "workers": WorkerService,
        "fleet": FleetService,
        "top_failures": TopFailures,
        "jobs": JobService,
        "enqueuing": EnqueueService,
        "kinds": KindService,
        "users": UserService,
        "tokens": TokenService,
    }
    offered = {
        f"{field}.{name}"
        for field, service in services.items()
        for name in vars(service)
        if not name.startswith("_")
    }
    # a part of other pages, which is empty for who may not see it: test_audit.py
    assert offered - {"audit.about"} == set(CALLS)


async def test_nobody_ends_the_session_of_another(house: House) -> None:
    sessions = house.services.logins._sessions
    _, session = await sessions.begin("2", address="x", agent="y")
    with pytest.raises(NotThere):
        await house.services.logins.end_session(NOBODY, session.id)
    assert len(await sessions.of_user("2")) == 1
