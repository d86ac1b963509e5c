"""The decision: what a permission holds for, for one caller.

`Authorizer` is the seam for those who decide by Casbin, Cedar or OPA: give `Services` another one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from .caller import Caller
from .grants import Grant
from .permissions import Permission
from .roles import Role
from .scope import Scope


class Authorizer(Protocol):
    """Says what a caller may do."""

    async def scope_of(self, caller: Caller, permission: Permission) -> Scope:
        """All that the permission holds for, in this request of the caller; an empty scope: nothing."""
        ...  # pragma: no cover


class GrantAuthorizer:
    """Decides by the caller's grants alone."""

    def __init__(self, roles: Mapping[str, Role]) -> None:
        self.roles = roles

    async def scope_of(self, caller: Caller, permission: Permission) -> Scope:
        """What the grants come to: never more than an owner's, nor than the credential was made for."""
        if caller.narrowed_to is not None and permission not in caller.narrowed_to:
            return Scope()
        if caller.looks_only and permission.changes_something:
            return Scope()
        scope = self.widest(caller.grants, permission, caller.subject)
        if caller.bounds is not None:
            scope &= self.widest(caller.bounds, permission, caller.subject)
        return scope.at(caller.address)

    def widest(self, grants: Iterable[Grant], permission: Permission, holder: str) -> Scope:
        """What grants come to, wherever a request may come from."""
        return Scope(tuple(area for grant in grants for area in grant.areas(permission, holder, self.roles)))
