"""Kinds of jobs: those that this dashboard knows, with their arguments, and those of live workers."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic.errors import PydanticInvalidForJsonSchema

from monarq.jobs.handler import Handler, Policy
from monarq.jobs.registry import Registry
from monarq.jobs.store.workers import LiveWorker

from ..access.caller import Caller
from ..access.guard import Guard
from ..access.permissions import Permission
from ..access.scope import Resource, Scope
from ..errors import NotThere
from ..snapshot import Snapshots

_WHAT = "kind"


@dataclass(frozen=True, slots=True, kw_only=True)
class KindView:
    """One kind."""

    kind: str
    #: What its jobs have by default; None for a kind that only workers know.
    policy: Policy | None
    #: The beginning of its function's docstring.
    description: str
    #: The JSON Schema of its arguments; None if it is not known, or JSON Schema cannot say it.
    schema: dict[str, Any] | None
    #: Live workers that know it, of those that serve queues which the caller may see; and these queues.
    workers: Sequence[str]
    queues: Sequence[str]
    #: The module and the name of its function.
    origin: tuple[str, str] | None
    #: May the caller enqueue such jobs here?
    can_enqueue: bool


class KindService:
    """Kinds, as far as the caller may see jobs of them."""

    def __init__(self, snapshots: Snapshots, guard: Guard, kinds: Registry) -> None:
        self._snapshots = snapshots
        self._guard = guard
        self._kinds = kinds

    async def list(self, caller: Caller) -> Sequence[KindView]:
        """All of them, by name."""
        scope = await self._guard.scope(caller, Permission.JOBS_READ)
        workers = await self._workers()
        names = {handler.kind for handler in self._kinds} | {name for one in workers for name in one.kinds}
        views = [await self._view(caller, name, workers, scope) for name in sorted(names)]
        return [view for view in views if view is not None]

    async def get(self, caller: Caller, name: str) -> KindView:
        """One of them.

        Raises:
            NotThere: There is none of this name, or jobs of it must not be seen.
        """
        scope = await self._guard.scope(caller, Permission.JOBS_READ)
        view = await self._view(caller, name, await self._workers(), scope)
        if view is None:
            raise NotThere(_WHAT)
        return view

    async def _workers(self) -> Sequence[LiveWorker]:
        return [worker for worker in (await self._snapshots.take()).fleet.workers if worker.is_live]

    async def _view(
        self, caller: Caller, name: str, workers: Sequence[LiveWorker], scope: Scope
    ) -> KindView | None:
        here = partial(Resource, kind=name, owner=caller.subject)

        def shows(queue: str) -> bool:
            return scope.covers(here(queue=queue))

        handler = self._kinds.get(name)
        knowing = [worker for worker in workers if name in worker.kinds and any(map(shows, worker.queues))]
        if not knowing if handler is None else not shows(handler.policy.queue):
            return None
        can_enqueue = handler is not None and await self._guard.holds(
            caller, Permission.JOBS_ENQUEUE, here(queue=handler.policy.queue)
        )
        return KindView(
            kind=name,
            policy=None if handler is None else handler.policy,
            description="" if handler is None else _description(handler),
            schema=None if handler is None else schema_of(handler),
            workers=[worker.worker for worker in knowing],
            queues=sorted(filter(shows, {queue for worker in knowing for queue in worker.queues})),
            origin=None if handler is None else (handler.function.__module__, handler.function.__qualname__),
            can_enqueue=can_enqueue,
        )


def schema_of(handler: Handler[..., Any]) -> dict[str, Any] | None:
    """The JSON Schema of the arguments, with their defaults."""
    try:
        schema = handler.arguments.json_schema()
    except PydanticInvalidForJsonSchema:
        return None
    properties: Mapping[str, dict[str, Any]] = schema.get("properties", {})
    for name, value in handler.arguments.plain(b"{}").items():
        if name in properties:
            properties[name].setdefault("default", value)
    return schema | {"title": handler.kind}


def _description(handler: Handler[..., Any]) -> str:
    return (inspect.getdoc(handler.function) or "").partition("\n\n")[0]
