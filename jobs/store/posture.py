"""Is this Redis fit to hold jobs?  What `monarq doctor` and every worker at its start look at."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum

from .execute import Transport

#: Older servers do not know script flags, without which a full server could not be drained.
OLDEST_VERSION = (7, 0)
#: Clocks that differ by more are told of.
CLOCK_TOLERANCE_SECONDS = 5.0
_NEARLY_FULL = 0.8


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    REFUSED = "refused"  #: a worker does not start


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was found, and how to mend it."""

    check: str
    level: Level
    found: str
    mend: str = ""


async def examine(link: Transport) -> list[Finding]:
    """All findings about the server behind `link`.

    Raises:
        StoreUnavailable: It does not answer.
        StoreRefused: It does not let us look.
    """
    ahead = await seconds_ahead(link)
    info = read_info(await link.call("INFO"))
    return [
        _version(info),
        _eviction(info),
        _memory(info),
        _persistence(info),
        _role(info),
        _clock(ahead),
    ]


async def seconds_ahead(link: Transport) -> float:
    """How far the server's clock is ahead of ours."""
    before = time.time()
    seconds, microseconds = await link.call("TIME")
    return int(seconds) + int(microseconds) / 1e6 - before


def read_info(info: bytes) -> dict[str, str]:
    """The fields of a reply to INFO."""
    lines = (line.partition(":") for line in info.decode().splitlines())
    return {name: value for name, colon, value in lines if colon}


def _version(info: dict[str, str]) -> Finding:
    # Valkey reports a redis_version too, for the clients' sake: the one it is compatible with
    found = info.get("redis_version", "0")
    name = "Valkey " + info["valkey_version"] if "valkey_version" in info else f"Redis {found}"
    if tuple(int(part) for part in found.split(".")[:2]) < OLDEST_VERSION:
        return Finding("version", Level.REFUSED, name, "use Redis 7.0 or later, or Valkey")
    return Finding("version", Level.OK, name)


def _eviction(info: dict[str, str]) -> Finding:
    policy = info.get("maxmemory_policy", "unknown")
    if policy == "noeviction":
        return Finding("eviction", Level.OK, policy)
    return Finding(
        "eviction",
        Level.REFUSED,
        f"maxmemory-policy is {policy}: under memory pressure the server drops jobs, silently",
        "CONFIG SET maxmemory-policy noeviction, and the same in redis.conf",
    )


def _memory(info: dict[str, str]) -> Finding:
    used, limit = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    if limit == 0:
        return Finding("memory", Level.OK, f"{used:,} bytes used, no limit set")
    found = f"{used:,} of {limit:,} bytes used"
    if used > limit * _NEARLY_FULL:
        return Finding(
            "memory", Level.WARNING, found, "raise maxmemory, or add workers: enqueues will be refused soon"
        )
    return Finding("memory", Level.OK, found)


def _persistence(info: dict[str, str]) -> Finding:
    if info.get("aof_enabled") == "1":
        if info.get("aof_last_write_status", "ok") != "ok":
            return Finding(
                "persistence", Level.WARNING, "the append-only file cannot be written", "free the disk"
            )
        return Finding("persistence", Level.OK, "append-only file")
    return Finding(
        "persistence",
        Level.WARNING,
        "no append-only file: a crash of the server loses jobs",
        "CONFIG SET appendonly yes, and the same in redis.conf",
    )


def _role(info: dict[str, str]) -> Finding:
    if info.get("role", "master") == "master":
        return Finding("role", Level.OK, "master")
    return Finding("role", Level.REFUSED, "a read-only replica", "point MONARQ_REDIS_URL at the master")


def _clock(ahead: float) -> Finding:
    found = f"the server's clock is {ahead:+.0f} s from ours"
    if abs(ahead) > CLOCK_TOLERANCE_SECONDS:
        return Finding(
            "clock", Level.WARNING, found, "run NTP on both; `at=` times are kept by the server's clock"
        )
    return Finding("clock", Level.OK, "in step")
