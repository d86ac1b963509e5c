"""What holds for every route without a request."""

import inspect
from collections.abc import Iterator

import pytest
from fastapi.dependencies.models import Dependant

from monarq.dashboard.app import ROUTERS
from monarq.dashboard.routes.guarded import Guarded

ROUTES = [route for router in ROUTERS for route in router.routes if isinstance(route, Guarded)]


def calls(dependant: Dependant) -> Iterator[object]:
    yield dependant.call
    for one in dependant.dependencies:
        yield from calls(one)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{sorted(route.methods)} {route.path}")
def test_no_request_waits_for_a_thread(route: Guarded) -> None:
    """FastAPI calls what is not async in one: a tenth of a millisecond each, for reading an attribute."""
    assert all(inspect.iscoroutinefunction(call) for call in calls(route.dependant))
