"""`/settings/users`: people who may use the dashboard."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Path, Request
from pydantic import Field, SecretStr
from starlette.responses import Response

from ...access.lines import read_lines, write_lines
from ...access.names import Name
from ...access.permissions import Permission
from ...auth.passwords import LONGEST
from ...routes.documents import Body
from ...routes.guarded import TheCaller, TheServices, TheVisit, needs
from ...routes.pages import Cursor
from ..rendering import go_on, page
from ..route import Page
from .granting import granting, page_of

router = APIRouter(route_class=Page)

UserId = Annotated[str, Path(max_length=100)]
_HERE = "/settings/users"


class NewUserForm(Body):
    """A user who is to be; without a password, a link lets them in."""

    name: Name
    grants: str = Field("", max_length=10_000)
    password: SecretStr | None = Field(None, max_length=LONGEST)


class UserForm(Body):
    """What is to change; what is not given stays."""

    grants: str | None = Field(None, max_length=10_000)
    password: SecretStr | None = Field(None, max_length=LONGEST)
    is_active: bool | None = None


@router.get("/settings/users", openapi_extra=needs(Permission.USERS_READ))
async def show_users(
    request: Request, caller: TheCaller, services: TheServices, cursor: Cursor = None
) -> Response:
    """All users."""
    users, following = await page_of(services.users, caller, cursor)
    return await page(
        request,
        "settings/users.html",
        title="Users",
        users=users,
        next=following,
        **granting(services),
    )


@router.post("/settings/users", openapi_extra=needs(Permission.USERS_WRITE))
async def create_user(
    form: Annotated[NewUserForm, Form()], request: Request, caller: TheCaller, services: TheServices
) -> Response:
    """Add a user."""
    grants = read_lines(form.grants, "#/grants")
    user = await services.users.create(caller, name=form.name, password=_plain(form.password), grants=grants)
    return go_on(request, _HERE, user.id, told=f"{user.name} is added.")


@router.get("/settings/users/{user_id}", openapi_extra=needs(Permission.USERS_READ))
async def show_user(user_id: UserId, request: Request, caller: TheCaller, services: TheServices) -> Response:
    """One user."""
    user = await services.users.get(caller, user_id)
    return await page(
        request,
        "settings/user.html",
        title=user.name,
        user=user,
        grants=write_lines(user.grants),
        link=None,
        **granting(services),
    )


@router.post("/settings/users/{user_id}", openapi_extra=needs(Permission.USERS_WRITE))
async def change_user(
    user_id: UserId,
    form: Annotated[UserForm, Form()],
    request: Request,
    caller: TheCaller,
    services: TheServices,
) -> Response:
    """Change what a user may do, or their password, or whether they may come in."""
    grants = None if form.grants is None else read_lines(form.grants, "#/grants")
    user = await services.users.change(
        caller, user_id, grants=grants, password=_plain(form.password), is_active=form.is_active
    )
    return go_on(request, _HERE, user.id, told=f"{user.name} is changed.")


@router.post("/settings/users/{user_id}/login", openapi_extra=needs(Permission.USERS_WRITE))
async def offer_login(
    user_id: UserId, request: Request, caller: TheCaller, services: TheServices, visit: TheVisit
) -> Response:
    """Make a link that logs a user in, once and soon."""
    user, secret = await services.users.offer_login(caller, user_id)
    return await page(
        request,
        "settings/login_link.html",
        title="One-time login",
        user=user,
        secret=secret,
        origin=visit.origin,
    )


@router.post("/settings/users/{user_id}/delete", openapi_extra=needs(Permission.USERS_WRITE))
async def delete_user(
    user_id: UserId, request: Request, caller: TheCaller, services: TheServices
) -> Response:
    """Forget a user."""
    await services.users.delete(caller, user_id)
    return go_on(request, _HERE, told="The user is forgotten, with their tokens and logins.")


def _plain(password: SecretStr | None) -> str | None:
    return None if password is None else password.get_secret_value()
