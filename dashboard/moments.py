"""Points in time as callers write them: with a zone, and written out."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, BeforeValidator


def _written_out(value: object) -> object:
    """A number alone would be taken for seconds since 1970."""
    is_number = isinstance(value, (int, float))
    if is_number or (isinstance(value, str) and not value[4:].count("-")):
        raise ValueError("write it as 2030-01-31T09:00:00Z")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_written_out)]
