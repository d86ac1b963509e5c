"""JSON pointers (RFC 6901): which member of a request is meant."""

from __future__ import annotations


def pointer_to(place: str, root: str = "#/args") -> str:
    """The pointer of a place in the arguments, which is told with dots: `lines.0.sku`."""
    return "/".join((root, *map(escaped, place.split("."))))


def escaped(part: object) -> str:
    """One name of a pointer."""
    return str(part).replace("~", "~0").replace("/", "~1")
