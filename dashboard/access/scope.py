"""What a permission holds for: some areas of queues and kinds, or everything, or nothing.

Lists, counts, searches, events, bulk operations and single resources are all judged by the same scope, so
they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from .patterns import EVERYTHING, matches

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """What somebody wants to see or to change.

    `queue=None` means all queues at once, `kind=None` all kinds: numbers of a queue, or its pause, concern
    every kind in it.  `owner` is the subject of who made it.
    """

    queue: str | None = None
    kind: str | None = None
    owner: str | None = None


#: All queues, all kinds, whoever made it: what concerns the installation.
WHOLE = Resource()


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """A part of all that there is.  A name must fit one pattern of *each* group; no group: any name."""

    queues: tuple[tuple[str, ...], ...] = ()
    kinds: tuple[tuple[str, ...], ...] = ()
    #: Only what this subject has made.
    owner: str | None = None
    #: Only for requests from one network of each group.
    networks: tuple[tuple[Network, ...], ...] = ()

    def holds(self, resource: Resource) -> bool:
        """Whether all of the resource lies in it."""
        return (
            _fits(self.queues, resource.queue or EVERYTHING)
            and _fits(self.kinds, resource.kind or EVERYTHING)
            and self.owner in (None, resource.owner)
        )

    def touches(self, queue: str) -> bool:
        """Whether a part of the queue may lie in it."""
        return _fits(self.queues, queue)

    def is_open_to(self, address: Address | None) -> bool:
        """Whether a request from there may use it."""
        return all(address is not None and _lies_in(group, address) for group in self.networks)

    def includes(self, other: Area) -> bool:
        """Whether the other one is surely a part of this one, on no wider condition."""
        return (
            all(_swallows(group, other.queues) for group in self.queues)
            and all(_swallows(group, other.kinds) for group in self.kinds)
            and self.owner in (None, other.owner)
            and all(_surrounds(group, other.networks) for group in self.networks)
        )

    def __and__(self, other: Area) -> Area | None:
        if None not in (self.owner, other.owner) and self.owner != other.owner:
            return None
        return Area(
            queues=self.queues + other.queues,
            kinds=self.kinds + other.kinds,
            owner=self.owner or other.owner,
            networks=self.networks + other.networks,
        )


@dataclass(frozen=True, slots=True)
class Scope:
    """Some areas: what lies in one of them is in the scope.  No area: nothing."""

    areas: tuple[Area, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.areas)

    def covers(self, resource: Resource) -> bool:
        """Whether the resource lies in it."""
        return any(area.holds(resource) for area in self.areas)

    def touches(self, queue: str) -> bool:
        """Whether a part of the queue may lie in it, be it jobs of one kind, or of one owner."""
        return any(area.touches(queue) for area in self.areas)

    def includes(self, other: Scope) -> bool:
        """Whether the other one is surely no larger."""
        return all(any(mine.includes(area) for mine in self.areas) for area in other.areas)

    def at(self, address: Address | None) -> Scope:
        """What is left of it for a request from there."""
        return Scope(tuple(area for area in self.areas if area.is_open_to(address)))

    def __and__(self, other: Scope) -> Scope:
        both = (mine & theirs for mine in self.areas for theirs in other.areas)
        return Scope(tuple(area for area in both if area is not None))


def _fits(groups: Iterable[tuple[str, ...]], name: str) -> bool:
    return all(any(matches(pattern, name) for pattern in group) for group in groups)


def _swallows(wide: tuple[str, ...], groups: tuple[tuple[str, ...], ...]) -> bool:
    narrow = groups or ((EVERYTHING,),)
    return any(all(any(matches(one, text) for one in wide) for text in group) for group in narrow)


def _lies_in(networks: Iterable[Network], address: Address) -> bool:
    return any(address in network for network in networks)


def _surrounds(wide: tuple[Network, ...], groups: tuple[tuple[Network, ...], ...]) -> bool:
    return any(all(any(_is_part(one, of) for of in wide) for one in group) for group in groups)


def _is_part(network: Network, of: Network) -> bool:
    if isinstance(network, IPv4Network):
        return isinstance(of, IPv4Network) and network.subnet_of(of)
    return isinstance(of, IPv6Network) and network.subnet_of(of)
