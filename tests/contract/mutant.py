"""A script that lacks one of its guards."""

from dataclasses import dataclass, replace
from hashlib import sha1

from monarq.jobs.store.scripts import Script


@dataclass(frozen=True)
class Mutant:
    """One script with one place of its source replaced."""

    script: str
    place: str
    instead: str

    def apply(self, script: Script) -> Script:
        source = script.source.decode()
        assert source.count(self.place) == 1, (
            f"{self.script}.lua has changed: {self.place!r} is not there once"
        )
        mutated = source.replace(self.place, self.instead).encode()
        return replace(script, source=mutated, sha=sha1(mutated, usedforsecurity=False).hexdigest())
