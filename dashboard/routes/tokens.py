"""`/v1/tokens`: what programs show; and `/v1/access-tokens`: JWTs of minutes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response, status
from pydantic import BaseModel, Field

from ..access.grants import Grant
from ..access.names import Name
from ..access.permissions import Permission
from ..directory.directory import Token
from ..services.tokens import LONGEST_LIFE
from .documents import Body, GrantList
from .guarded import Guarded, TheCaller, TheServices, needs
from .pages import ThePage

router = APIRouter(route_class=Guarded, tags=["tokens"])

TokenId = Annotated[str, Path(max_length=100)]


class TokenDocument(BaseModel):
    """An API token, without what its holder shows."""

    id: str
    name: str
    hint: str = Field(description="its first characters")
    owner_id: str | None = Field(description="it may never do more than this user")
    grants: list[Grant]
    created_at: datetime | None
    created_by: str
    expires_at: datetime
    last_used_at: datetime | None = Field(description="to the minute")
    revoked_at: datetime | None


class TokenList(BaseModel):
    """A page of tokens."""

    items: list[TokenDocument]
    next: str | None


class NewTokenOrder(Body):
    """A token that is to be."""

    name: Name
    grants: Annotated[GrantList, Field(min_length=1)]
    expires_in_days: int = Field(90, ge=1, le=LONGEST_LIFE.days)


class NewTokenDocument(TokenDocument):
    """A token that was made."""

    token: str = Field(description="what its holder shows; it is told this once")


class JwtOrder(Body):
    """A JWT that is to be."""

    permissions: tuple[Permission, ...] | None = Field(
        None, max_length=50, description="only these; by default all"
    )


class JwtDocument(BaseModel):
    """A JWT, as OAuth 2.0 would tell it."""

    access_token: str
    token_type: str
    expires_in: int


@router.get("/v1/tokens", openapi_extra=needs(Permission.TOKENS_READ))
async def list_tokens(wanted: ThePage, caller: TheCaller, services: TheServices) -> TokenList:
    """List the tokens, the oldest first: all, or one's own."""
    found = await services.tokens.list(caller, after=wanted.after, limit=wanted.limit + 1)
    page, following = wanted.cut(found)
    return TokenList(items=[TokenDocument(**_told(token)) for token in page], next=following)


@router.post("/v1/tokens", status_code=status.HTTP_201_CREATED, openapi_extra=needs(Permission.TOKENS_WRITE))
async def create_token(
    order: NewTokenOrder, request: Request, response: Response, caller: TheCaller, services: TheServices
) -> NewTokenDocument:
    """Make a token of one's own, which may do no more than oneself."""
    life = timedelta(days=order.expires_in_days)
    token, secret = await services.tokens.create(caller, name=order.name, grants=order.grants, life=life)
    response.headers["location"] = f"{request.url.path}/{token.id}"
    return NewTokenDocument(**_told(token), token=secret)


@router.get("/v1/tokens/{token_id}", openapi_extra=needs(Permission.TOKENS_READ))
async def get_token(token_id: TokenId, caller: TheCaller, services: TheServices) -> TokenDocument:
    """One token."""
    return TokenDocument(**_told(await services.tokens.get(caller, token_id)))


@router.delete(
    "/v1/tokens/{token_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    openapi_extra=needs(Permission.TOKENS_WRITE),
)
async def revoke_token(token_id: TokenId, caller: TheCaller, services: TheServices) -> None:
    """Revoke a token: from now on it does not hold, nor does any JWT that was made with it."""
    await services.tokens.revoke(caller, token_id)


@router.post("/v1/access-tokens", status_code=status.HTTP_201_CREATED, openapi_extra=needs(None))
async def issue_jwt(order: JwtOrder, caller: TheCaller, services: TheServices) -> JwtDocument:
    """Make a JWT for oneself that holds for some minutes, for all that one may do or for less."""
    only = None if order.permissions is None else frozenset(order.permissions)
    return JwtDocument(
        access_token=services.logins.issue_jwt(caller, only),
        token_type="Bearer",
        expires_in=int(services.jwt_issuer.lifetime.total_seconds()),
    )


def _told(token: Token) -> dict[str, Any]:
    return {name: getattr(token, name) for name in TokenDocument.model_fields}
