"""What stands in the sidebar, and in the palette: each page with the permission that opens it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..access.permissions import Permission
from ..access.permissions import Permission as P
from ..access.scope import Scope


@dataclass(frozen=True, slots=True)
class Entry:
    """A link of the sidebar."""

    title: str
    path: str
    icon: str
    #: None: for everybody who is logged in.
    permission: Permission | None = None
    #: After `g`, this letter leads there.
    letter: str = ""

    def is_open(self, path: str) -> bool:
        """Whether the page at this path belongs to it."""
        return path == self.path or (self.path != "/" and path.startswith(self.path + "/"))


#: In groups, which a line parts.
GROUPS: Sequence[Sequence[Entry]] = (
    (
        Entry("Overview", "/", "overview", P.QUEUES_READ, "o"),
        Entry("Queues", "/queues", "queues", P.QUEUES_READ, "q"),
        Entry("Workers", "/workers", "workers", P.WORKERS_READ, "w"),
        Entry("Insights", "/insights", "insights", P.METRICS_READ, "i"),
    ),
    (
        Entry("Jobs", "/jobs", "jobs", P.JOBS_READ, "j"),
        Entry("Kinds", "/kinds", "kinds", P.JOBS_READ, "k"),
    ),
    (
        Entry("Failures", "/failures", "failures", P.JOBS_READ, "f"),
        Entry("Dead letters", "/dead-letters", "letters", P.JOBS_READ, "d"),
        Entry("Operations", "/operations", "operations", P.JOBS_READ, "b"),
    ),
    (
        Entry("Audit", "/audit", "audit", P.AUDIT_READ, "a"),
        Entry("Settings", "/settings", "settings", None, "s"),
    ),
)


def groups_for(scopes: Mapping[Permission, Scope]) -> list[list[Entry]]:
    """The groups, without what the caller may not open."""
    seen = (
        [entry for entry in group if entry.permission is None or scopes.get(entry.permission)]
        for group in GROUPS
    )
    return [group for group in seen if group]
