"""Which kinds a process knows."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

from .errors import DefinitionError, DuplicateKind, UnknownKind
from .handler import Handler


class Registry:
    """Handlers by kind.  Refuses two handlers of one kind."""

    def __init__(self, handlers: Iterable[Handler[..., Any]] = ()) -> None:
        self._handlers: dict[str, Handler[..., Any]] = {}
        for handler in handlers:
            self.add(handler)

    def add(self, handler: Handler[..., Any]) -> None:
        """Make one handler known.  Adding the same one twice is harmless.

        Raises:
            DuplicateKind: Another handler has this kind.
        """
        known = self._handlers.setdefault(handler.kind, handler)
        if known is not handler:
            raise DuplicateKind(handler.kind, _origin(known), _origin(handler))

    def load(self, module_name: str) -> None:
        """Import a module and add every handler that it holds.

        Raises:
            DefinitionError: The module cannot be imported, or holds no handler.
            DuplicateKind: See `add`.
        """
        if not all(part.isidentifier() for part in module_name.split(".")):
            raise DefinitionError(f"{module_name!r} is not the dotted name of a module")
        try:
            module = importlib.import_module(module_name)
        except ImportError as error:
            raise DefinitionError(f"module {module_name!r} cannot be imported: {error}") from error
        found = handlers_in(module)
        if not found:
            raise DefinitionError(f"module {module_name!r} holds no @job handler")
        for handler in found:
            self.add(handler)

    def get(self, kind: str) -> Handler[..., Any] | None:
        """The handler of this kind, or None."""
        return self._handlers.get(kind)

    def __getitem__(self, kind: str) -> Handler[..., Any]:
        try:
            return self._handlers[kind]
        except KeyError:
            raise UnknownKind(kind, tuple(sorted(self._handlers))) from None

    def __iter__(self) -> Iterator[Handler[..., Any]]:
        return iter(self._handlers.values())

    def __len__(self) -> int:
        return len(self._handlers)


def handlers_in(module: ModuleType) -> list[Handler[..., Any]]:
    """The handlers among a module's names."""
    return [value for value in vars(module).values() if isinstance(value, Handler)]


def _origin(handler: Handler[..., Any]) -> str:
    return f"{handler.function.__module__}.{handler.function.__qualname__}"
