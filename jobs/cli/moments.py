"""Points in time and spans, as they are typed and as they are shown."""

from __future__ import annotations

from datetime import datetime

import typer


def read_moment(text: str) -> datetime:
    """A time that says its zone, for an option's `parser`."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time; write 2030-01-31T09:00:00+00:00") from None
    if moment.tzinfo is None:
        raise typer.BadParameter(f"{text!r} has no time zone; write {moment.isoformat()}+00:00")
    return moment


def shown(moment: datetime) -> str:
    """For people: in the zone of this machine, to the second."""
    return moment.astimezone().isoformat(sep=" ", timespec="seconds")
