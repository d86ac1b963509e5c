"""The dashboard inside another app, below a path: `python -m tests.browser.mounted PORT`."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from monarq import load_settings
from monarq.dashboard.app import create_app
from monarq.dashboard.services.services import open_services
from monarq.dashboard.settings import load_dashboard_settings

from .stack import PREFIX


def make() -> Starlette:
    """The outer app."""
    services = open_services(load_settings(), load_dashboard_settings())

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await services.close()

    return Starlette(routes=[Mount(PREFIX, create_app(services))], lifespan=lifespan)


if __name__ == "__main__":
    uvicorn.run(make, factory=True, port=int(sys.argv[1]), log_level="warning", timeout_graceful_shutdown=5)
