"""`/settings/tokens`: what programs show."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Path, Request
from pydantic import Field
from starlette.responses import Response

from ...access.lines import read_lines
from ...access.names import Name
from ...access.permissions import Permission
from ...routes.documents import Body
from ...routes.guarded import TheCaller, TheServices, TheVisit, needs
from ...routes.pages import Cursor
from ...services.tokens import LONGEST_LIFE
from ..rendering import go_on, page
from ..route import Page
from .granting import granting, page_of

router = APIRouter(route_class=Page)

TokenId = Annotated[str, Path(max_length=100)]


class TokenForm(Body):
    """A token that is to be."""

    name: Name
    grants: str = Field(min_length=1, max_length=10_000)
    expires_in_days: int = Field(90, ge=1, le=LONGEST_LIFE.days)


@router.get("/settings/tokens", openapi_extra=needs(Permission.TOKENS_READ))
async def show_tokens(
    request: Request, caller: TheCaller, services: TheServices, cursor: Cursor = None
) -> Response:
    """All tokens, or one's own."""
    tokens, following = await page_of(services.tokens, caller, cursor)
    return await page(
        request,
        "settings/tokens.html",
        title="Tokens",
        tokens=tokens,
        next=following,
        longest=LONGEST_LIFE.days,
        **granting(services),
    )


@router.post("/settings/tokens", openapi_extra=needs(Permission.TOKENS_WRITE))
async def create_token(
    form: Annotated[TokenForm, Form()],
    request: Request,
    caller: TheCaller,
    services: TheServices,
    visit: TheVisit,
) -> Response:
    """Make a token, and show this once what its holder is to send."""
    token, secret = await services.tokens.create(
        caller,
        name=form.name,
        grants=read_lines(form.grants, "#/grants"),
        life=timedelta(days=form.expires_in_days),
    )
    return await page(
        request, "settings/new_token.html", title="New token", token=token, secret=secret, origin=visit.origin
    )


@router.post("/settings/tokens/{token_id}/revoke", openapi_extra=needs(Permission.TOKENS_WRITE))
async def revoke_token(
    token_id: TokenId, request: Request, caller: TheCaller, services: TheServices
) -> Response:
    """Revoke a token."""
    await services.tokens.revoke(caller, token_id)
    return go_on(request, "/settings/tokens", told="The token is revoked: from now on it does not hold.")
