"""Who is connected for longer than a request: counted, and bounded."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from .closing import Closing
from .errors import TooManyStreams

#: A browser needs one, however many tabs it has; programs may have some.
MOST_STREAMS_PER_CALLER = 20


class Streams:
    """The streams of one process.

    Args:
        closing: Ends them with the server.
        most: Of all callers.
        most_per_caller: Of one of them.
    """

    def __init__(self, closing: Closing, *, most: int, most_per_caller: int) -> None:
        self.closing = closing
        self._most = most
        self._most_per_caller = most_per_caller
        self._by_caller: Counter[str] = Counter()

    @contextmanager
    def enter(self, subject: str, bell: asyncio.Event) -> Iterator[None]:
        """Count a stream of somebody as long as this is held.

        Args:
            bell: What the stream waits for; it is rung when the server ends.

        Raises:
            TooManyStreams: There are too many already.
        """
        if self._by_caller[subject] >= self._most_per_caller or len(self) >= self._most:
            raise TooManyStreams
        self._by_caller[subject] += 1
        try:
            with self.closing.rings(bell):
                yield
        finally:
            self._by_caller[subject] -= 1
            if not self._by_caller[subject]:
                del self._by_caller[subject]

    def __len__(self) -> int:
        return self._by_caller.total()
