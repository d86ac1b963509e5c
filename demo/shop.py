"""The order service under show: its tables, and the two jobs that it has for each order."""

from __future__ import annotations

import asyncio

from monarq import JobContext, job

#: What a card terminal or a label printer would take.
WORK_SECONDS = 0.05

#: No constraint forbids a second charge or parcel of an order: the demo would count it.
TABLES = """
CREATE SCHEMA shop;
CREATE TABLE shop.orders (number integer PRIMARY KEY, cents integer NOT NULL);
CREATE TABLE shop.charges (number integer NOT NULL, cents integer NOT NULL);
CREATE TABLE shop.parcels (number integer NOT NULL);
"""


@job("order.charge", queue="orders", durable=True)
async def charge(ctx: JobContext, number: int, cents: int) -> None:
    """Charge an order; the charge and the end of the job are committed together."""
    async with ctx.once() as connection:
        await asyncio.sleep(WORK_SECONDS)
        await connection.execute("INSERT INTO shop.charges VALUES ($1, $2)", number, cents)


@job("order.ship", queue="orders", durable=True)
async def ship(ctx: JobContext, number: int) -> None:
    """Print the label of an order's parcel, in the same way."""
    async with ctx.once() as connection:
        await asyncio.sleep(WORK_SECONDS)
        await connection.execute("INSERT INTO shop.parcels VALUES ($1)", number)
