"""`/settings`: who one is, what one may do, where one is logged in, and how the pages look."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Annotated, TypeVar

from fastapi import APIRouter, Form, Path, Request
from pydantic import Field, SecretStr
from starlette.responses import Response

from monarq.jobs.errors import StoreError

from ...access.caller import Means
from ...access.lines import write_lines
from ...auth.passwords import LONGEST
from ...routes.documents import Body
from ...routes.guarded import TheCaller, TheServices, needs
from ..rendering import go_on, page
from ..route import Page
from ..theme import Theme

router = APIRouter(route_class=Page)

SessionId = Annotated[str, Path(max_length=100)]
_HERE = "/settings"

T = TypeVar("T")


class PasswordForm(Body):
    """One's own password, old and new."""

    #: Empty for who has none yet.
    old_password: SecretStr = Field(SecretStr(""), max_length=LONGEST)
    new_password: SecretStr = Field(max_length=LONGEST)


@router.get("/settings", openapi_extra=needs(None))
async def show_account(request: Request, caller: TheCaller, services: TheServices) -> Response:
    """One's own account."""
    can_change = caller.means is Means.SESSION and services.database is not None
    has_password = await _if_known(services.logins.has_password(caller)) if can_change else False
    return await page(
        request,
        "settings/account.html",
        title="Account",
        themes=list(Theme),
        sessions=await _if_known(services.logins.sessions(caller)),
        grants=write_lines(caller.grants).splitlines(),
        has_password=has_password,
        may_change=can_change and has_password is not None,
    )


async def _if_known(answer: Awaitable[T]) -> T | None:
    """The rest of the page needs neither store."""
    try:
        return await answer
    except StoreError:
        return None


@router.post("/settings/password", openapi_extra=needs(None))
async def change_password(
    form: Annotated[PasswordForm, Form()], request: Request, caller: TheCaller, services: TheServices
) -> Response:
    """Change one's own password."""
    old, new = form.old_password.get_secret_value(), form.new_password.get_secret_value()
    await services.logins.change_password(caller, old, new)
    return go_on(request, _HERE, told="Your password is changed, and all your other logins have ended.")


@router.post("/settings/sessions/others/end", openapi_extra=needs(None))
async def end_other_sessions(request: Request, caller: TheCaller, services: TheServices) -> Response:
    """End all of one's own logins but this one."""
    ended = await services.logins.end_other_sessions(caller)
    return go_on(request, _HERE, told=f"Ended {ended} other login{'' if ended == 1 else 's'}.")


@router.post("/settings/sessions/{session_id}/end", openapi_extra=needs(None))
async def end_session(
    session_id: SessionId, request: Request, caller: TheCaller, services: TheServices
) -> Response:
    """End one of one's own logins."""
    await services.logins.end_session(caller, session_id)
    return go_on(request, _HERE, told="That login has ended.")
