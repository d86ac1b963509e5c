"""The Lua scripts: one file per verb, whose header is its signature.

`load("claim")` parses the header; `script.pack(nonce=…, queues=[…])` puts keys and arguments in their places,
so that a wrong or missing name is a `TypeError` before anything is sent.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha1
from importlib.resources import files
from typing import Any

from .keys import LUA_PREFIXES

#: `KEYS[1] name  type` or, for a repeated group, `ARGV[3...] name  7 each: …`.
_SLOT = re.compile(r"^(KEYS|ARGV)\[(\d+)(\.\.\.)?\]\s+(\w+)\s+(\w+)", re.MULTILINE)

#: `Uses  _pauses.lua`: what several scripts share, but not all.
_USES = re.compile(r"^Uses\s+(_\w+\.lua)$", re.MULTILINE)

#: The verbs that a full server refuses.
GROWING = frozenset({"enqueue", "replay", "restore", "revive"})
#: The verbs that write nothing; the server holds them to it.
READING = frozenset({"browse", "compare", "examine", "glance", "lineup", "measure"})


@dataclass(frozen=True, slots=True)
class Slots:
    """The names of KEYS or of ARGV, in order; `group` is a repeated tail of `stride` values each."""

    names: tuple[str, ...]
    group: str | None
    stride: int

    def take(self, given: dict[str, Any]) -> list[Any]:
        """Move the named values out of `given`, in order."""
        values = [given.pop(name) for name in self.names]
        if self.group is not None:
            tail: Sequence[Any] = given.pop(self.group)
            if not tail or len(tail) % self.stride:
                raise TypeError(f"{self.group}: {len(tail)} values, but they come in groups of {self.stride}")
            values.extend(tail)
        return values


@dataclass(frozen=True, slots=True)
class Script:
    """One verb."""

    name: str
    source: bytes
    sha: str
    keys: Slots
    arguments: Slots

    def pack(self, **given: Any) -> tuple[list[Any], list[Any]]:
        """Keys and arguments in the script's order.

        Raises:
            TypeError: A name is missing or unknown.
        """
        try:
            packed = self.keys.take(given), self.arguments.take(given)
        except KeyError as missing:
            raise TypeError(f"script {self.name} needs {missing}") from None
        if given:
            raise TypeError(f"script {self.name} does not take {', '.join(given)}")
        return packed


@cache
def load(name: str) -> Script:
    """The script of this name, with the shared prelude and what it uses before it."""
    folder = files(__package__) / "lua"
    text = (folder / f"{name}.lua").read_text()
    shared = "".join((folder / part).read_text() for part in ("_prelude.lua", *_USES.findall(text)))
    source = (_first_line(name) + _prefix_table() + shared + text).encode()
    digest = sha1(source, usedforsecurity=False).hexdigest()
    return Script(name, source, digest, _slots(name, "KEYS", text), _slots(name, "ARGV", text))


def names() -> list[str]:
    """The names of all scripts."""
    folder = files(__package__) / "lua"
    return sorted(
        path.name.removesuffix(".lua") for path in folder.iterdir() if not path.name.startswith("_")
    )


def _first_line(name: str) -> str:
    if name in GROWING:
        return "#!lua\n"
    # a server without memory must still let work be claimed, settled and thrown away: that is what makes room
    return "#!lua flags=no-writes,allow-oom\n" if name in READING else "#!lua flags=allow-oom\n"


def _prefix_table() -> str:
    fields = ", ".join(f"{name} = '{prefix}'" for name, prefix in LUA_PREFIXES.items())
    return f"local KEY = {{ {fields} }}\n"


def _slots(script: str, kind: str, text: str) -> Slots:
    found = [match.groups() for match in _SLOT.finditer(text) if match[1] == kind]
    singles, group, stride = [], None, 1
    for expected, (_, position, repeated, name, shape) in enumerate(found, start=1):
        if int(position) != expected or group is not None:
            raise ValueError(f"{script}.lua: {kind}[{position}] is out of place in the header")
        if repeated:
            group, stride = name, int(shape)
        else:
            singles.append(name)
    return Slots(tuple(singles), group, stride)
