"""Request bodies: what is not known is refused."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ..access.grants import Grant


class Body(BaseModel):
    """A body, in which an unknown member is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)


GrantList = Annotated[tuple[Grant, ...], Field(max_length=50)]
