"""The one place where a permission is demanded: by the routes, and again by the services."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import NotPermitted, ReadOnly
from .authorizer import Authorizer, GrantAuthorizer
from .caller import Caller
from .grants import Grant
from .permissions import Permission
from .roles import Role
from .scope import WHOLE, Resource, Scope


class Guard:
    """Demands permissions.

    Args:
        authorizer: Decides.
        roles: What the roles of grants mean.
        read_only: Nobody may change anything.
    """

    def __init__(self, authorizer: Authorizer, roles: dict[str, Role], *, read_only: bool = False) -> None:
        self._authorizer = authorizer
        self._grants = GrantAuthorizer(roles)
        self._read_only = read_only

    async def scope(self, caller: Caller, permission: Permission) -> Scope:
        """What it holds for.  Of what lies outside of it nothing may be told, not even that it exists.

        Raises:
            ReadOnly: It would change something, and nothing may be changed.
            NotPermitted: It holds for nothing.
        """
        if self._read_only and permission.changes_something:
            raise ReadOnly
        scope = await self._authorizer.scope_of(caller, permission)
        if not scope:
            raise NotPermitted(permission)
        return scope

    async def held(self, caller: Caller, permission: Permission) -> Scope:
        """What it holds for, perhaps nothing: for what is only shown if it may be."""
        if self._read_only and permission.changes_something:
            return Scope()
        return await self._authorizer.scope_of(caller, permission)

    async def scopes(self, caller: Caller) -> dict[Permission, Scope]:
        """What each permission holds for, save those that hold for nothing: nobody is shown a closed door."""
        found = {}
        for permission in Permission:
            if scope := await self.held(caller, permission):
                found[permission] = scope
        return found

    async def require(self, caller: Caller, permission: Permission, resource: Resource = WHOLE) -> None:
        """Demand it for one resource that the caller may see.

        Raises:
            ReadOnly: It would change something, and nothing may be changed.
            NotPermitted: It does not hold for the resource.
        """
        if not (await self.scope(caller, permission)).covers(resource):
            raise NotPermitted(permission)

    async def holds(self, caller: Caller, permission: Permission, resource: Resource) -> bool:
        """Whether it holds for one resource: for what is shown with more to some than to others."""
        return (await self.held(caller, permission)).covers(resource)

    async def require_to_give(self, caller: Caller, grants: Iterable[Grant], holder: str) -> None:
        """Demand that the caller holds all that the grants permit: nobody gives away more than they have.

        Raises:
            NotPermitted: They permit more.
        """
        for permission in Permission:
            given = self._grants.widest(grants, permission, holder)
            if given and not (await self._authorizer.scope_of(caller, permission)).includes(given):
                raise NotPermitted(permission)

    def unknown_role(self, grants: Iterable[Grant]) -> str | None:
        """A role that the grants name and that there is not."""
        return next((one.role for one in grants if one.role and one.role not in self._grants.roles), None)
