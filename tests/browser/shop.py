"""The jobs of a shop, for pages to show: some end well, some never, some hold what nobody should run."""

import asyncio
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from monarq import JobContext, fixed, job


class Parcel(BaseModel):
    """What goes into one box."""

    sku: str
    grams: int = Field(gt=0)


class CardDeclined(Exception):
    """The bank says no."""


@job("mail.welcome", queue="mail")
async def welcome(ctx: JobContext, to: str, template: Literal["short", "long"] = "short") -> str:
    """Greet a new customer."""
    return f"sent {template} to {to}"


@job("order.ship", tags=["shop"])
async def ship(ctx: JobContext, order: int, parcels: list[Parcel]) -> dict[str, int]:
    """Send an order on its way."""
    return {"order": order, "grams": sum(parcel.grams for parcel in parcels)}


@job("card.charge", queue="payments", max_attempts=1)
async def charge(ctx: JobContext, order: int, cents: int) -> str:
    """Charge a card; the bank is away until there is a file `mended`."""
    if not _is_there("mended"):
        raise CardDeclined(f"order {order}: the bank does not answer")
    return f"charged {cents}"


@job("stock.sync", queue="stock", max_attempts=5, backoff=fixed(600))
async def sync(ctx: JobContext, warehouse: str) -> None:
    """Ask a warehouse that is not there: it is tried again later."""
    raise ConnectionError(f"{warehouse} refused the connection")


@job("report.render", queue="reports", timeout=600)
async def render(ctx: JobContext, month: str, seconds: float = 500.0) -> str:
    """Take long, and end at once when there is a file `released`."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not _is_there("released"):
        if asyncio.get_running_loop().time() > deadline:
            break
        await asyncio.sleep(0.05)
    return f"{month}.pdf"


@job("text.reject", max_attempts=1)
async def reject(ctx: JobContext, text: str) -> None:
    """Die with the words of somebody else."""
    raise ValueError(text)


def _is_there(name: str) -> bool:
    return Path(name).exists()
