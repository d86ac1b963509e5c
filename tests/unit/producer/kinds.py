"""The kinds that these tests enqueue."""

from typing import Any

from monarq import job


@job("image.resize", queue="media", priority="high")
async def resize(ctx: Any, path: str, width: int = 100) -> list[str]:
    """Resize an image."""
    return [path] * width


@job("mail.send")
async def send(ctx: Any, to: str, body: str = "") -> None:
    """Send a mail."""
