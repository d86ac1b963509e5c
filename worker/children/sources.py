"""Where a child finds what its worker was given as objects: handlers and functions, by module and name."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import reduce
from typing import Any, cast

import arq.worker

from monarq.jobs.errors import DefinitionError
from monarq.jobs.handler import Handler
from monarq.jobs.registry import handlers_in

from ..runnable import ArqDefaults, Runnable, from_arq, from_handler
from .frames import Facts

_MEND = "define it at the top level of a module that is imported, not in the program's own file or a function"


class NotImportable(DefinitionError):
    """A child process cannot import a handler or a hook: it stands in `__main__`, or in a function."""

    code = "not_importable"

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} cannot be imported by a child process; {_MEND}")


def source_of(runnable: Runnable) -> Facts:
    """Where to find this kind.

    Raises:
        NotImportable: A child could not.
    """
    origin, policy = runnable.origin, runnable.policy
    if isinstance(origin, Handler):
        module = sys.modules.get(origin.function.__module__)
        if module is None or module.__name__ == "__main__" or not _holds(module, origin):
            raise NotImportable(f"the handler of {runnable.kind!r}")
        return {"kind": runnable.kind, "module": module.__name__}
    keep = policy.keep_result
    defaults = ArqDefaults(
        timeout=None if policy.timeout is None else policy.timeout.total_seconds(),
        keep_result=0 if keep is None else keep.total_seconds(),
        keep_result_forever=keep is None,
        max_tries=policy.max_attempts,
        retry_errors=policy.retry_on is Exception,
    )
    return {"kind": runnable.kind, "function": name_of(origin.coroutine), "defaults": asdict(defaults)}


def load(source: Facts) -> Runnable:
    """The kind again, in a child.

    Raises:
        DefinitionError: Its module has changed meanwhile, and has it no more.
        Exception: Whatever the module raises.
    """
    kind = source["kind"]
    if (name := source.get("function")) is not None:
        function = arq.worker.func(cast(Any, _resolve(name)), name=kind)
        return from_arq(function, ArqDefaults(**source["defaults"]))
    for handler in handlers_in(importlib.import_module(source["module"])):
        if handler.kind == kind:
            return from_handler(handler)
    raise DefinitionError(f"module {source['module']!r} has no handler of {kind!r} any more")


def name_of(function: Callable[..., Any]) -> str:
    """`module:name` of a function.

    Raises:
        NotImportable: It cannot be found by that.
    """
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "<locals>")
    shown = f"{module}.{name}" if module else repr(function)
    if module in (None, "__main__") or "<" in name:
        raise NotImportable(shown)
    try:
        found = _resolve(f"{module}:{name}")
    except (ImportError, AttributeError):
        found = None
    if found is not function:
        raise NotImportable(shown)
    return f"{module}:{name}"


def function_of(name: str | None) -> Any:
    """The function of this name, in a child."""
    return None if name is None else _resolve(name)


def _resolve(name: str) -> Any:
    module, _, path = name.partition(":")
    found = reduce(getattr, path.split("."), importlib.import_module(module))
    # a function of arq's may stand under its own name as what `func(…)` made of it
    return found.coroutine if isinstance(found, arq.worker.Function) else found


def _holds(module: Any, handler: Handler[..., Any]) -> bool:
    return any(one is handler for one in handlers_in(module))
