"""Grants: a role or some permissions, limited to queues, to kinds and to where a request comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, IPvAnyNetwork, TypeAdapter, model_validator

from .patterns import EVERYTHING, Pattern
from .permissions import Permission
from .roles import Role
from .scope import Area

_MOST = 50


class Grant(BaseModel):
    """One thing that was permitted to somebody.

    Grant(role="operator", queues=("mail*",))
    Grant(permissions=("jobs:read", "jobs:cancel:own"), networks=("10.0.0.0/8",))
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: A role by its name; what the role permits is looked up at each request.
    role: str | None = Field(None, min_length=1, max_length=64)
    #: Instead of a role.  With `:own` behind it: only for what the holder has made.
    permissions: Annotated[tuple[str, ...], Field(max_length=_MOST)] = ()
    queues: Annotated[tuple[Pattern, ...], Field(min_length=1, max_length=_MOST)] = (EVERYTHING,)
    kinds: Annotated[tuple[Pattern, ...], Field(min_length=1, max_length=_MOST)] = (EVERYTHING,)
    #: Only requests from there.  None named: from anywhere.
    networks: Annotated[tuple[IPvAnyNetwork, ...], Field(max_length=_MOST)] = ()

    @model_validator(mode="after")
    def _names_one_of_both(self) -> Self:
        if (self.role is None) == (not self.permissions):
            raise ValueError("name either a role or permissions")
        Role.read(self.permissions)
        return self

    def areas(self, permission: Permission, holder: str, roles: Mapping[str, Role]) -> tuple[Area, ...]:
        """Where it permits this to the holder.  A role that is not there (any more) permits nothing."""
        role = Role.read(self.permissions) if self.role is None else roles.get(self.role)
        if role is None:
            return ()
        if permission in role.anywhere:
            return (self._area(None),)
        return (self._area(holder),) if permission in role.own else ()

    def _area(self, owner: str | None) -> Area:
        return Area(
            queues=() if EVERYTHING in self.queues else (self.queues,),
            kinds=() if EVERYTHING in self.kinds else (self.kinds,),
            owner=owner,
            networks=(self.networks,) if self.networks else (),
        )


Grants = tuple[Grant, ...]
#: Reads grants, and writes them.
GRANTS: TypeAdapter[Grants] = TypeAdapter(Annotated[tuple[Grant, ...], Field(max_length=_MOST)])
