"""What the pages of those who hold grants, users and tokens, have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from ...access.caller import Caller
from ...access.grants import Grant
from ...access.lines import write_lines
from ...routes.pages import after, cut
from ...services.services import Services

_MOST = 50


class _Holder(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def grants(self) -> Sequence[Grant]: ...


T = TypeVar("T", bound=_Holder)
T_co = TypeVar("T_co", covariant=True, bound=_Holder)


class _Keeper(Protocol[T_co]):
    async def list(self, caller: Caller, *, after: str, limit: int) -> Sequence[T_co]: ...


async def page_of(
    keeper: _Keeper[T], caller: Caller, cursor: str | None
) -> tuple[list[tuple[T, list[str]]], str | None]:
    """Some of them, each with its grants line by line, and the cursor of the next ones, if there are any."""
    found, following = cut(await keeper.list(caller, after=after(cursor), limit=_MOST + 1), _MOST)
    return [(one, write_lines(one.grants).splitlines()) for one in found], following


def granting(services: Services) -> dict[str, Any]:
    """What a form for grants has to know: which roles there are, and whether anything can be kept."""
    return {"roles": list(services.settings.all_roles()), "is_kept": services.database is not None}
