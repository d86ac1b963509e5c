"""What a command needs before it can do its work: settings, logging, the app's handlers, a connection."""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from .. import log
from ..errors import DefinitionError, MonarqError
from ..registry import Registry
from ..settings import Settings, load_settings
from ..store.address import from_url
from ..store.connection import Link

T = TypeVar("T")


def read_settings(**overrides: Any) -> Settings:
    """The settings of this process, with logging set up by them: to stderr, for stdout is the command's own.

    Raises:
        ConfigError: With all faults.
    """
    settings = load_settings(**overrides)
    configure_log(settings)
    return settings


def configure_log(settings: Settings) -> None:
    """Set logging up as the settings say."""
    log.configure(
        level=settings.log_level, log_format=settings.log_format, show_payloads=settings.log_payloads
    )


def with_store(settings: Settings, work: Callable[[Link], Awaitable[T]]) -> T:
    """Run `work` with a connection to the Redis of the settings.

    Raises:
        StoreUnavailable: It does not answer.  Tried once: the answer is wanted now.
    """
    return asyncio.run(_with_link(settings, work))


async def _with_link(settings: Settings, work: Callable[[Link], Awaitable[T]]) -> T:
    link = Link(from_url(settings.redis_url.get_secret_value()))
    try:
        return await work(link)
    finally:
        await link.close()


def load_handlers(modules: Iterable[str]) -> Registry:
    """The handlers of the app's modules, which may lie in the current folder.

    Raises:
        DefinitionError: A module cannot be imported, or holds no handler.
        DuplicateKind: Two handlers have one kind.
    """
    see_current_folder()
    registry = Registry()
    for module in modules:
        importing(module, lambda name=module: registry.load(name))  # type: ignore[misc]
    return registry


def see_current_folder() -> None:
    """Let modules of the current folder be imported, as `python -m` does and a console script does not."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())


def importing(name: str, load: Callable[[], T]) -> T:
    """Import something of the app's; whatever its code raises becomes one line that says where.

    Raises:
        DefinitionError: It could not be imported.
    """
    try:
        return load()
    except MonarqError:
        raise
    except Exception as error:
        raise DefinitionError(
            f"{name!r} cannot be imported: {type(error).__name__}: {error}{_place(error)}"
        ) from error


def _place(error: BaseException) -> str:
    if isinstance(error, SyntaxError):  # its text names file and line
        return ""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<frozen")
    ]
    return f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
