"""What a dashboard counts of its own requests, for those who scrape it.  The event loop writes it."""

from __future__ import annotations

from collections import Counter

from monarq.jobs.histogram import Distribution

from .errors import (
    CrossOrigin,
    LoginFailed,
    NotAuthenticated,
    NotPermitted,
    TooManyRequests,
    TooManyStreams,
    WrongHost,
    WrongMeans,
)

#: The upper bounds of the time of a request, ms: what takes longer is a stream, or has failed.
BOUNDS_MS = (5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000)
#: Why somebody was refused: a closed set.  Nothing was shown, nothing that holds was, name and password do
#: not fit, it is not permitted to them, or a browser was sent here by another site.
REASONS = ("missing", "invalid", "login", "not_permitted", "cross_origin")

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
#: Instead of a method that nobody knows.
_OTHER_METHOD = "other"
#: Who asked has gone before there was an answer.
_GONE = 499


class Meters:
    """The counters of one dashboard."""

    def __init__(self) -> None:
        #: By route, method and status.
        self.requests: Counter[tuple[str, ...]] = Counter()
        #: By route and method.
        self.durations_ms: dict[tuple[str, ...], Distribution] = {}
        self.refused: Counter[str] = Counter(dict.fromkeys(REASONS, 0))
        #: By route.
        self.limited: Counter[str] = Counter()

    def answered(self, route: str, method: str, status: int | None, seconds: float | None) -> None:
        """Count a request.

        Args:
            route: The template of its address, so that no label names each job.
            status: None: who asked has gone before there was one.
            seconds: None for a stream: how long it was open says nothing.
        """
        key = (route, method if method in _METHODS else _OTHER_METHOD)
        self.requests[(*key, str(status or _GONE))] += 1
        if seconds is not None:
            self.durations_ms.setdefault(key, Distribution(BOUNDS_MS)).add([seconds * 1000])

    def refuse(self, error: Exception, route: str, *, shows_something: bool = True) -> None:
        """Count an error, if it says that somebody may not, or not so often.

        Args:
            shows_something: The request shows an identity, whether it holds or not.
        """
        match error:
            case NotAuthenticated():
                self.refused["invalid" if shows_something else "missing"] += 1
            case LoginFailed():
                self.refused["login"] += 1
            case NotPermitted() | WrongMeans():
                self.refused["not_permitted"] += 1
            case CrossOrigin() | WrongHost():
                self.refused["cross_origin"] += 1
            case TooManyRequests() | TooManyStreams():
                self.limited[route] += 1
