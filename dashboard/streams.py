"""Who is connected for longer than a request: counted, bounded, and ended when the server stops."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from .errors import TooManyStreams

#: A browser needs one, however many tabs it has; programs may have some.
MOST_STREAMS_PER_CALLER = 20


class Streams:
    """The streams of one process.

    Args:
        most: Of all callers.
        most_per_caller: Of one of them.
    """

    def __init__(self, *, most: int, most_per_caller: int) -> None:
        self._most = most
        self._most_per_caller = most_per_caller
        self._by_caller: Counter[str] = Counter()
        self._bells: set[asyncio.Event] = set()
        #: Set when the server stops.
        self.ending = asyncio.Event()

    @contextmanager
    def enter(self, subject: str, bell: asyncio.Event) -> Iterator[None]:
        """Count a stream of somebody as long as this is held.

        Args:
            bell: What the stream waits for; it is rung when all streams end.

        Raises:
            TooManyStreams: There are too many already.
        """
        if self._by_caller[subject] >= self._most_per_caller or len(self._bells) >= self._most:
            raise TooManyStreams
        self._by_caller[subject] += 1
        self._bells.add(bell)
        try:
            yield
        finally:
            self._bells.discard(bell)
            self._by_caller[subject] -= 1
            if not self._by_caller[subject]:
                del self._by_caller[subject]

    def end(self) -> None:
        """Let all of them end now: a server that stops waits for what is connected."""
        self.ending.set()
        for bell in list(self._bells):
            bell.set()

    def __len__(self) -> int:
        return len(self._bells)
