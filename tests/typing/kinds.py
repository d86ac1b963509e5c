"""Kinds of job, as an app defines them."""

from typing import Any

from monarq import JobContext, job


@job("image.resize", queue="media", backoff=[1, 5])
async def resize(ctx: JobContext, path: str, width: int = 100, *, crop: bool = False) -> tuple[str, int]:
    """Takes positional and keyword-only arguments, and gives a typed result."""
    return path, width


@job()
async def ping(ctx: JobContext) -> None:
    """Takes nothing, gives nothing."""


@job("plain", retry_on=lambda error: "again" in str(error), timeout=None)
async def plain(ctx: dict[str, Any], name: str) -> list[str]:
    """Takes arq's `ctx` as a plain dict."""
    return [name]


@job("image.shrink", run_in="process", memory_limit=2**30)
def shrink(ctx: JobContext, path: str, width: int = 100, *, crop: bool = False) -> tuple[str, int]:
    """A plain function."""
    return path, width
