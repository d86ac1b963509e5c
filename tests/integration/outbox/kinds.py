"""The kinds of job that these tests enqueue."""

from monarq import JobContext, Unique, job


@job("order.confirm")
async def confirm(ctx: JobContext, order: int) -> str:
    return f"order {order}"


@job("order.bill", durable=True)
async def bill(ctx: JobContext, order: int) -> None: ...


@job("order.audit", queue="audit", priority="low")
async def audit(ctx: JobContext, order: int) -> None: ...


@job("stock.count", unique=Unique(by=["shelf"]))
async def count_stock(ctx: JobContext, shelf: int) -> int:
    return shelf


@job("order.note")
async def note(ctx: JobContext, text: str) -> None: ...
