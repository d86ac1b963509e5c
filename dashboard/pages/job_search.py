"""`/jobs`: look for jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from monarq.jobs.state import State
from monarq.jobs.store.job_search import JobSearch, search_of
from monarq.jobs.store.search_terms import SearchFault, Term, spelled, terms_of

from ..access.permissions import Permission
from ..errors import InvalidParameter
from ..routes.guarded import TheCaller, TheServices, needs
from ..routes.job_filters import LONGEST_TEXT
from ..routes.pages import Cursor
from ..services.job_sections import Order
from .job_bulk import bulks_of
from .job_hints import hints_for
from .rendering import go_on, page
from .route import Page

router = APIRouter(route_class=Page)

_SIZES = (25, 50, 100, 200)


class Column(StrEnum):
    """What a line can show beside its state and its id."""

    KIND = "kind"
    QUEUE = "queue"
    PRIORITY = "priority"
    TAGS = "tags"
    WHEN = "when"
    RUN = "run"
    WAIT = "wait"
    ATTEMPTS = "attempts"
    WORKER = "worker"
    ENQUEUED = "enqueued"
    ERROR = "error"


SHOWN = (Column.KIND, Column.QUEUE, Column.WHEN, Column.RUN, Column.ATTEMPTS, Column.ERROR)
#: By which column which order goes.
_NUMBERS = (Column.RUN, Column.WAIT, Column.ATTEMPTS)
SORTS = {Column.WHEN: "ended_at", Column.RUN: "run_ms"}
ORDERS = {
    Order.STATE: "by state",
    Order.LATEST_ENDED: "ended last",
    Order.ENDED: "ended first",
    Order.SLOWEST: "slowest",
    Order.FASTEST: "fastest",
    Order.DUE: "due first",
    Order.LATEST_DUE: "due last",
}
#: Views that everybody has.
VIEWS = {
    "Failed in the last hour": "state:failed after:1h",
    "Retrying": "state:retrying",
    "Scheduled for the next hour": "state:scheduled before:+1h",
    "Critical and waiting": "state:waiting priority:critical",
}


@dataclass(frozen=True, slots=True)
class Chip:
    """A term, and the search without it."""

    text: str
    rest: str


@dataclass(frozen=True, slots=True)
class Box:
    """What stands in the search box."""

    text: str
    terms: Sequence[Term] = ()
    search: JobSearch | None = None
    fault: SearchFault | None = None

    @property
    def chips(self) -> list[Chip]:
        """Its terms, one by one."""
        return [Chip(self.text[term.start : term.end], _without(self.text, [term])) for term in self.terms]

    def tabs(self) -> list[tuple[str, str, bool]]:
        """The states: word, the same search of it alone, and whether it is this one."""
        named = [term for term in self.terms if term.name == "state"]
        rest = _without(self.text, named)
        given = " ".join(word.text.lower() for term in named for word in term.values)
        each = [(state, f"{rest} {spelled('state', state)}".strip(), given == state) for state in State]
        return [("all", rest, not named), *each]

    def with_term(self, name: str, value: str) -> str:
        """The same search, and this value of a name."""
        return f"{self.text} {spelled(name, value)}".strip()


Text = Annotated[str, Query(max_length=LONGEST_TEXT)]
Columns = Annotated[list[Column] | None, Query(max_length=len(Column))]
Size = Annotated[int, Query(ge=1, le=max(_SIZES))]


@router.get("/jobs", openapi_extra=needs(Permission.JOBS_READ))
async def show_jobs(
    request: Request,
    caller: TheCaller,
    services: TheServices,
    q: Text = "",
    sort: Order = Order.STATE,
    columns: Columns = None,
    limit: Size = 50,
    cursor: Cursor = None,
) -> Response:
    """The jobs that a search means."""
    box, views = read_box(q), await services.views.list(caller)
    known: dict[str, Any] = {
        "box": box,
        "sort": sort,
        "columns": tuple(dict.fromkeys(columns)) if columns else SHOWN,
        "limit": limit,
        "views": views,
        **_CHOICES,
    }
    if box.search is None:
        return await page(request, "job_search/list.html", title="Jobs", status=400, found=None, **known)
    try:
        found, count = await services.search.view(
            caller,
            box.search,
            order=sort,
            cursor=cursor,
            limit=limit,
            # what is fetched anew by itself may be what another screen has just got
            as_of=q if "hx-request" in request.headers else None,
        )
    except InvalidParameter:  # a cursor of another search, or of what somebody else may see
        return go_on(request, "/jobs", q=q or None, sort=str(sort), told="The list begins anew.")
    return await page(
        request,
        "job_search/list.html",
        title="Jobs",
        found=found,
        count=count,
        hints=[] if found.items else await hints_for(services.completions, caller, box.terms),
        bulks=bulks_of(q, box.terms, box.search),
        is_first=cursor is None,
        **known,
    )


def headings(columns: Sequence[Column], is_ticked: bool) -> list[dict[str, object]]:
    """The heads of the table."""
    tick: list[dict[str, object]] = [{"title": "Tick", "unseen": True, "class": "tick"}] if is_ticked else []
    shown: list[dict[str, object]] = [
        {"title": column.capitalize(), "sort": SORTS.get(column), "number": column in _NUMBERS}
        for column in columns
    ]
    return [*tick, {"title": "State"}, {"title": "Job"}, *shown]


_CHOICES: dict[str, Any] = {
    "all_columns": tuple(Column),
    "headings": headings,
    "orders": list(ORDERS.items()),
    "sizes": _SIZES,
    "ready_views": VIEWS,
}


def read_box(text: str) -> Box:
    """What a text in the box means, or what is wrong with it."""
    try:
        terms = terms_of(text)
        return Box(text, terms, search_of(terms, datetime.now(UTC)))
    except SearchFault as fault:
        return Box(text, fault=fault)


def _without(text: str, terms: Sequence[Term]) -> str:
    for term in sorted(terms, key=lambda one: one.start, reverse=True):
        text = text[: term.start] + text[term.end :]
    return " ".join(text.split()) if '"' not in text else text.strip()
