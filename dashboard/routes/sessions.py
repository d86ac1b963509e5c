"""`/v1/sessions`: logging in and out; `/v1/me`: who am I."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response, status
from pydantic import BaseModel, Field, SecretStr

from ..access.caller import Means
from ..access.grants import Grant
from ..access.permissions import Permission
from ..auth.passwords import LONGEST
from ..auth.sessions import Session
from ..cookies import drop_session, read_session, set_session
from .documents import Body
from .guarded import Guarded, TheCaller, TheServices, TheVisit, for_anybody, needs

router = APIRouter(route_class=Guarded, tags=["sessions"])

Secret = Annotated[str, Path(max_length=100)]


class SessionDocument(BaseModel):
    """A login of a browser."""

    id: str
    is_current: bool
    address: str
    agent: str
    began_at: datetime
    seen_at: datetime
    ends_at: datetime = Field(description="at the latest")


class SessionList(BaseModel):
    """One's own logins, the newest first."""

    items: list[SessionDocument]


class Login(Body):
    """Who wants to log in."""

    name: str = Field(min_length=1, max_length=100)
    password: SecretStr = Field(max_length=LONGEST)


class PasswordChange(Body):
    """One's own password, old and new."""

    old_password: SecretStr = Field(max_length=LONGEST)
    new_password: SecretStr = Field(max_length=LONGEST, description="at least 12 characters")


class Me(BaseModel):
    """Who asks, and what they may do somewhere."""

    subject: str
    name: str
    means: Means
    grants: list[Grant]
    permissions: list[Permission]


@router.get("/v1/me", openapi_extra=needs(None))
async def get_me(caller: TheCaller, services: TheServices) -> Me:
    """Who am I, and what may I do?"""
    return Me(
        subject=caller.subject,
        name=caller.name,
        means=caller.means,
        grants=list(caller.grants),
        permissions=list(await services.guard.scopes(caller)),
    )


@router.put("/v1/me/password", status_code=status.HTTP_204_NO_CONTENT, openapi_extra=needs(None))
async def change_password(change: PasswordChange, caller: TheCaller, services: TheServices) -> None:
    """Change one's own password; all other logins of one's own end."""
    await services.logins.change_password(
        caller, change.old_password.get_secret_value(), change.new_password.get_secret_value()
    )


@router.get("/v1/sessions", openapi_extra=needs(None))
async def list_sessions(caller: TheCaller, services: TheServices) -> SessionList:
    """List one's own logins."""
    sessions = await services.logins.sessions(caller)
    return SessionList(items=[_session(session, caller.credential) for session in sessions])


@router.post("/v1/sessions", status_code=status.HTTP_201_CREATED, openapi_extra=for_anybody())
async def log_in(
    login: Login, request: Request, response: Response, services: TheServices, visit: TheVisit
) -> SessionDocument:
    """Log in by name and password: the answer sets the cookie of the session."""
    secret, session = await services.logins.by_password(
        login.name,
        login.password.get_secret_value(),
        visit.address,
        agent=_agent(request),
        old=read_session(request.cookies, visit),
    )
    set_session(response, visit, secret)
    return _session(session, session.id)


@router.delete("/v1/sessions/current", status_code=status.HTTP_204_NO_CONTENT, openapi_extra=needs(None))
async def log_out(caller: TheCaller, response: Response, services: TheServices, visit: TheVisit) -> None:
    """Log out: this session, or this JWT, holds no more."""
    await services.logins.log_out(caller)
    drop_session(response, visit)


@router.delete("/v1/sessions/{session_id}", status_code=status.HTTP_204_NO_CONTENT, openapi_extra=needs(None))
async def end_session(session_id: Secret, caller: TheCaller, services: TheServices) -> None:
    """End one of one's own logins."""
    await services.logins.end_session(caller, session_id)


def _agent(request: Request) -> str:
    return request.headers.get("user-agent", "")


def _session(session: Session, current: str) -> SessionDocument:
    return SessionDocument(
        id=session.id,
        is_current=session.id == current,
        address=session.address,
        agent=session.agent,
        began_at=session.began_at,
        seen_at=session.seen_at,
        ends_at=session.ends_at,
    )
