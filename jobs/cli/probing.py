"""Asking a process of this machine how it is, at its own port."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from http.client import HTTPConnection, HTTPException

#: Seconds.  A process looks at its stores for three before it says that one does not answer.
_PATIENCE = 5.0
#: Among what a process tells, what we have to say of it.
_FAULT = "fault"
#: Who listens on all addresses listens here, too.
_HERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class Probe(StrEnum):
    """What is asked; the value is the word for yes."""

    LIVE = "alive"
    READY = "ready"
    STARTED = "started"

    @property
    def path(self) -> str:
        """Where the answer is."""
        return {Probe.LIVE: "/livez", Probe.READY: "/readyz", Probe.STARTED: "/startupz"}[self]


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether it is so, and what the process has found."""

    is_well: bool
    facts: Mapping[str, object]

    @property
    def reasons(self) -> str:
        """Why it is not, in a line; empty if the process does not say."""
        if _FAULT in self.facts:
            return str(self.facts[_FAULT])
        checks = self.facts.get("checks")
        found = checks if isinstance(checks, dict) else self.facts
        return ", ".join(f"{name}: {told}" for name, told in found.items() if told not in ("ok", False))


def ask(probe: Probe, host: str, port: int) -> Answer:
    """Ask once.  Who does not answer, or is none of ours, is not well."""
    host = _HERE.get(host, host)
    connection = HTTPConnection(host, port, timeout=_PATIENCE)
    try:
        connection.request("GET", probe.path)
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, HTTPException) as error:
        return _fault(probe, f"no answer at {host}:{port} ({str(error) or type(error).__name__})")
    finally:
        connection.close()
    facts = _read(body) if answer.status in (200, 503) else None
    if facts is None:
        return _fault(probe, f"what answers at {host}:{port} is no process of monarq")
    return Answer(answer.status == 200, facts)


def _read(body: bytes) -> dict[str, object] | None:
    try:
        facts = json.loads(body)
    except ValueError:
        return None
    return facts if isinstance(facts, dict) else None


def _fault(probe: Probe, told: str) -> Answer:
    return Answer(False, {str(probe): False, _FAULT: told})
