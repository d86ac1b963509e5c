"""Values of labels: a bounded number of them, so that nobody can make series without end."""

from __future__ import annotations

#: What stands for all names past the bound.
OTHER = "other"
#: Queues and kinds that a process tells apart.  An app has fewer; a client that makes them up has more.
MOST_QUEUES = 100
MOST_KINDS = 500


class Labels:
    """The first so many names that come keep theirs; all others are `OTHER`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._told_apart: set[str] = set()

    def of(self, name: str) -> str:
        """The value of the label for this name."""
        if name not in self._told_apart:
            if len(self._told_apart) >= self._most:
                return OTHER
            self._told_apart.add(name)
        return name
