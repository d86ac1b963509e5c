"""Roles: names for what people do.  Four come along; the settings may name more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .permissions import Permission as P

#: `jobs:read:own` permits it for what the caller has made, and for nothing else.
_OWN = ":own"


@dataclass(frozen=True, slots=True)
class Role:
    """What its holder may do: anywhere, and with what the holder has made."""

    anywhere: frozenset[P]
    own: frozenset[P] = frozenset()

    @classmethod
    def read(cls, words: Iterable[str]) -> Role:
        """From words such as `jobs:read` and `jobs:read:own`.

        Raises:
            ValueError: One of them is no permission.
        """
        words = set(words)
        own = {word for word in words if word.endswith(_OWN)}
        return cls(
            frozenset(map(_permission, words - own)),
            frozenset(_permission(word.removesuffix(_OWN)) for word in own),
        )


def _permission(word: str) -> P:
    try:
        return P(word)
    except ValueError:
        raise ValueError(f"there is no permission of that name; there are: {', '.join(P)}") from None


_VIEWER = frozenset({P.JOBS_READ, P.QUEUES_READ, P.WORKERS_READ, P.METRICS_READ})
_OPERATOR = _VIEWER | {
    P.JOBS_PAYLOAD,
    P.JOBS_RETRY,
    P.JOBS_CANCEL,
    P.QUEUES_PAUSE,
    P.DEAD_REPLAY,
    P.SCHEDULES_RUN,
    P.OPERATIONS_RUN,
}

BUILT_IN: Mapping[str, Role] = MappingProxyType(
    {
        "viewer": Role(_VIEWER),
        "operator": Role(_OPERATOR),
        "producer": Role(frozenset({P.JOBS_ENQUEUE}), own=frozenset({P.JOBS_READ, P.JOBS_PAYLOAD})),
        "admin": Role(frozenset(P)),
    }
)
