"""Kinds that the dashboards under test know."""

from dataclasses import dataclass
from datetime import datetime

from monarq.jobs import job
from monarq.jobs.registry import Registry
from monarq.jobs.unique import Unique


@dataclass
class Line:
    """A line of an order."""

    sku: str
    count: int = 1


@job("mail.send", queue="mail", priority="high", tags=["post"])
async def send_mail(ctx: object, user_id: int, subject: str = "hello", password: str = "") -> None:
    """Send one mail.

    More of it.
    """


@job("order.place", queue="default", max_attempts=3)
async def place_order(ctx: object, lines: list[Line], at: datetime, raw: bytes = b"") -> int:
    return len(lines)


@job("report.build", queue="mail.bulk", unique=Unique(by=["month"], on_conflict="reject"))
async def build_report(ctx: object, month: str) -> None: ...


@job("audit.keep", queue="default", durable=True)
async def keep(ctx: object, what: str = "") -> None: ...


KINDS = Registry((send_mail, place_order, build_report, keep))
