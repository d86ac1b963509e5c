"""`/v1/users`: people who may use the dashboard."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response, status
from pydantic import BaseModel, Field, SecretStr

from ..access.grants import Grant
from ..access.names import Name
from ..access.permissions import Permission
from ..directory.directory import User
from .documents import Body, GrantList
from .guarded import Guarded, TheCaller, TheServices, needs
from .pages import ThePage

router = APIRouter(route_class=Guarded, tags=["users"])

UserId = Annotated[str, Path(max_length=100)]


class UserDocument(BaseModel):
    """A user."""

    id: str
    name: str
    grants: list[Grant]
    is_active: bool
    has_password: bool
    created_at: datetime | None
    created_by: str


class UserList(BaseModel):
    """A page of users."""

    items: list[UserDocument]
    next: str | None


class NewUser(Body):
    """A user who is to be."""

    name: Name
    password: SecretStr | None = Field(None, description="at least 12 characters")
    grants: GrantList = ()


class UserChange(Body):
    """What is to change; what is not given stays."""

    password: SecretStr | None = None
    grants: GrantList | None = None
    is_active: bool | None = None


@router.get("/v1/users", openapi_extra=needs(Permission.USERS_READ))
async def list_users(wanted: ThePage, caller: TheCaller, services: TheServices) -> UserList:
    """List the users, the oldest first."""
    found = await services.users.list(caller, after=wanted.after, limit=wanted.limit + 1)
    page, following = wanted.cut(found)
    return UserList(items=[_user(user) for user in page], next=following)


@router.post("/v1/users", status_code=status.HTTP_201_CREATED, openapi_extra=needs(Permission.USERS_WRITE))
async def create_user(
    order: NewUser, request: Request, response: Response, caller: TheCaller, services: TheServices
) -> UserDocument:
    """Add a user, who may do no more than who adds them."""
    user = await services.users.create(
        caller, name=order.name, password=_plain(order.password), grants=order.grants
    )
    response.headers["location"] = f"{request.url.path}/{user.id}"
    return _user(user)


@router.get("/v1/users/{user_id}", openapi_extra=needs(Permission.USERS_READ))
async def get_user(user_id: UserId, caller: TheCaller, services: TheServices) -> UserDocument:
    """One user."""
    return _user(await services.users.get(caller, user_id))


@router.patch("/v1/users/{user_id}", openapi_extra=needs(Permission.USERS_WRITE))
async def change_user(
    user_id: UserId, change: UserChange, caller: TheCaller, services: TheServices
) -> UserDocument:
    """Change what a user may do, or their password.  A new password ends their logins."""
    user = await services.users.change(
        caller, user_id, grants=change.grants, password=_plain(change.password), is_active=change.is_active
    )
    return _user(user)


@router.delete(
    "/v1/users/{user_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    openapi_extra=needs(Permission.USERS_WRITE),
)
async def delete_user(user_id: UserId, caller: TheCaller, services: TheServices) -> None:
    """Forget a user, with their tokens and logins."""
    await services.users.delete(caller, user_id)


def _plain(password: SecretStr | None) -> str | None:
    return None if password is None else password.get_secret_value()


def _user(user: User) -> UserDocument:
    return UserDocument(
        id=user.id,
        name=user.name,
        grants=list(user.grants),
        is_active=user.is_active,
        has_password=user.password_hash is not None,
        created_at=user.created_at,
        created_by=user.created_by,
    )
