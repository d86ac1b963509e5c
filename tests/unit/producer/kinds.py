"""The kinds that these tests enqueue."""

from typing import Any

from monarq import Unique, job


@job("image.resize", queue="media", priority="high")
async def resize(ctx: Any, path: str, width: int = 100) -> list[str]:
    """Resize an image."""
    return [path] * width


@job("mail.send")
async def send(ctx: Any, to: str, body: str = "") -> None:
    """Send a mail."""


@job("report.rebuild", unique=Unique(by=["month"], until="success"))
async def rebuild(ctx: Any, month: str, full: bool = False) -> None:
    """Build a report, once per month."""


@job("one.only", unique=Unique(on_conflict="reject"))
async def reject_twins(ctx: Any) -> None:
    """Be the only one."""


@job("bill.send", tags=["billing"])
async def bill(ctx: Any) -> None:
    """Send a bill."""
