"""A request to the store as a value: one script call, ready to be sent, and how to read its reply."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from . import scripts
from .keys import QueueKeys

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request(Generic[T]):
    """One script call."""

    script: scripts.Script
    keys: list[Any]
    arguments: list[Any]
    read: Callable[[Any], T]


def request(name: str, read: Callable[[Any], T], **given: Any) -> Request[T]:
    """The call of the script of this name, with the values that its header names."""
    script = scripts.load(name)
    keys, arguments = script.pack(**given)
    return Request(script, keys, arguments, read)


def rank_keys(queue: QueueKeys) -> dict[str, str]:
    """The four zsets of a queue, as the scripts name them."""
    critical, high, normal, low = queue.ranks
    return {"critical": critical, "high": high, "normal": normal, "low": low}


def read_flags(reply: list[int]) -> list[bool]:
    """Per item whether it was done."""
    return [code == 1 for code in reply]
