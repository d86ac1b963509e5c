"""An address of the dashboard that logs the audience in, made anew once Redis has forgotten the first one."""

from __future__ import annotations

from monarq.dashboard.auth.sessions import Sessions
from monarq.dashboard.directory.postgres import PostgresDirectory
from monarq.dashboard.settings import load_dashboard_settings
from monarq.jobs.store.connection import Link
from monarq.jobs.store.postgres.database import Database

from .stack import Stack

#: As `monarq dev` calls who it logs in.
_USER = "dev"


async def login_address(stack: Stack, link: Link, database: Database) -> str:
    """The address; without a user to log in, that of the dashboard alone."""
    origin, _, _ = stack.dashboard_url.partition("/login/")
    settings = load_dashboard_settings()
    user = await PostgresDirectory(database).user_named(_USER)
    if user is None:
        return origin
    sessions = Sessions(link, idle=settings.session_idle, lifetime=settings.session_lifetime)
    return f"{origin}/login/{await sessions.offer_login(user.id, settings.session_lifetime)}"
