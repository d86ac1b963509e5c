"""The form by which a job is enqueued: the arguments of its kind, and what is special about this one job."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from pydantic_core import from_json

from monarq.jobs.errors import InvalidArguments, JobRejected, MonarqError

from ..errors import InvalidRequest, NotPermitted
from ..services.enqueuing import Enqueued, JobOrder
from ..services.kinds import KindView
from .schema_form import (
    FormField,
    arguments_of,
    fields_of,
    filled,
    typed_in,
    with_faults,
)

_OPTIONS = ("queue", "priority", "delay", "at", "expires_in", "job_id", "tags")
_SPANS = ("delay", "expires_in")
#: Stands for all arguments, where the kind has no schema.
_WHOLE = FormField(name="", shape="json", words="object", value="{}")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnqueueForm:
    """What is typed in, and what is wrong with it."""

    kind: str
    fields: list[FormField]
    options: dict[str, str] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)

    @property
    def is_sound(self) -> bool:
        """Whether it can be read."""
        return not self.faults and not any(one.fault for one in self.fields)

    def args(self) -> dict[str, Any]:
        """The arguments as JSON data."""
        if self.fields == [] or self.fields[0].name:
            return arguments_of(self.fields)
        whole = from_json(self.fields[0].value or "{}")
        return whole if isinstance(whole, dict) else {}

    def order(self, args: dict[str, Any]) -> JobOrder:
        """What to enqueue, with these arguments."""
        given: dict[str, Any] = {name: text for name, text in self.options.items() if text}
        for name in _SPANS:
            if name in given:
                given[name] = float(given[name])
        if "at" in given:
            given["at"] = datetime.fromisoformat(given["at"])
        if "tags" in given:
            given["tags"] = [tag for tag in given["tags"].replace(",", " ").split() if tag]
        return JobOrder(kind=self.kind, args=args, **given)

    def refused(self, error: MonarqError) -> EnqueueForm:
        """The same with what the service said of it, at the fields."""
        if isinstance(error, InvalidArguments):
            known = {one.name for one in self.fields}
            others = [f"{at}: {why}" for at, why in error.faults.items() if at.partition(".")[0] not in known]
            fields = with_faults(self.fields, error.faults)
            return replace(self, fields=fields, faults={"": "; ".join(others)} if others else {})
        if isinstance(error, InvalidRequest):
            by_name = {pointer.removeprefix("#/"): fault for pointer, fault in error.faults.items()}
            here = {name if name in _OPTIONS else "": fault for name, fault in by_name.items()}
            return replace(self, faults=here)
        return replace(self, faults={"": str(error)})


def blank(
    kind: KindView, args: Mapping[str, Any] | None = None, options: Mapping[str, str] | None = None
) -> EnqueueForm:
    """A form that nobody has filled in; with the arguments of another job, if they are given."""
    fields = filled(_fields(kind), args or {})
    return EnqueueForm(kind=kind.kind, fields=fields, options=dict(options or {}))


def read(kind: KindView, form: Mapping[str, Any]) -> EnqueueForm:
    """A form as it came."""
    texts = {name: value for name, value in form.items() if isinstance(value, str)}
    options = {name: texts.get(name, "").strip() for name in _OPTIONS}
    return EnqueueForm(
        kind=kind.kind,
        fields=typed_in(_fields(kind), texts),
        options=options,
        faults=_faults(options),
    )


async def submit(
    form: EnqueueForm, enqueue: Callable[[EnqueueForm], Awaitable[Enqueued]]
) -> Enqueued | EnqueueForm:
    """What came of it; or the form again, with what is wrong told at its fields."""
    if not form.is_sound:
        return form
    try:
        return await enqueue(form)
    except (JobRejected, InvalidRequest, NotPermitted) as error:
        return form.refused(error)


def _fields(kind: KindView) -> list[FormField]:
    return [_WHOLE] if kind.schema is None else fields_of(kind.schema)


def _faults(options: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for name in _SPANS:
        if options[name] and not _is_span(options[name]):
            found[name] = "this is no number of seconds"
    if options["at"] and not _is_moment(options["at"]):
        found["at"] = "write 2030-01-31T09:00:00Z"
    return found


def _is_span(text: str) -> bool:
    try:
        return 0 <= float(text) < 1e9
    except ValueError:
        return False


def _is_moment(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
