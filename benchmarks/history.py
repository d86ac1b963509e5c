"""Searches of a million finished jobs: `python -m benchmarks.history`.

Ends with 1 if the first page of any single filter takes 50 ms or more (median).
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import asyncpg

from monarq.jobs.settings import Settings
from monarq.jobs.store.job_filter import JobFilter, PayloadField, Sort
from monarq.jobs.store.postgres import open_database
from monarq.jobs.store.postgres.history_reader import HistoryReader
from monarq.jobs.store.postgres.migrating import migrate
from monarq.worker.dev.postgres import EmbeddedPostgres

from .made_up_history import (
    COMMON_FINGERPRINT,
    NOW,
    OLD_KIND,
    RARE_FINGERPRINT,
    RARE_KIND,
    MadeUpHistory,
    write,
)

LIMIT_MS = 50
ROUNDS = 15
COLUMNS = ("newest", "oldest", "slowest", "next page", "count")

SEARCHES = {
    "no filter": JobFilter(),
    "state, 96 %": JobFilter(state="succeeded"),
    "state, 3 %": JobFilter(state="dead"),
    "state, 0.05 %": JobFilter(state="expired"),
    "queue, 70 %": JobFilter(queue="default"),
    "queue, 0.1 %": JobFilter(queue="archive"),
    "queue, none": JobFilter(queue="nowhere"),
    "kind, half": JobFilter(kind="mail.send"),
    "kind, 20 jobs": JobFilter(kind=RARE_KIND),
    "kind, only long ago": JobFilter(kind=OLD_KIND),
    "priority, 90 %": JobFilter(priority="normal"),
    "priority, 0.1 %": JobFilter(priority="critical"),
    "tag, 20 %": JobFilter(tag="eu"),
    "tag, 15 jobs": JobFilter(tag="customer:77"),
    "tag, none": JobFilter(tag="nobody"),
    "worker, of the last day": JobFilter(worker="worker-0331-1"),
    "fingerprint, 2 %": JobFilter(fingerprint=COMMON_FINGERPRINT),
    "fingerprint, rare": JobFilter(fingerprint=RARE_FINGERPRINT),
    "since an hour ago": JobFilter(since=NOW - timedelta(hours=1)),
    "until 17 hours ago": JobFilter(until=NOW - timedelta(hours=17)),
    "text, 60 % of the errors": JobFilter(text="timeout"),
    "text, the same as time*": JobFilter(text="time*"),
    "text, two words": JobFilter(text="reset peer"),
    "text, rare": JobFilter(text="zebra"),
    "text, none": JobFilter(text="aardvark"),
    "payload, 60 %": JobFilter(payload=(PayloadField("customer.country", "de"),)),
    "payload, 0.1 %": JobFilter(payload=(PayloadField("customer.country", "is"),)),
    "payload, in a list": JobFilter(payload=(PayloadField("lines[].sku", "sku-7"),)),
    "payload, one job": JobFilter(payload=(PayloadField("order", 12_345),)),
    "payload, none": JobFilter(payload=(PayloadField("no.such", 1),)),
}


async def measure(url: str, rows: int, days: int) -> bool:
    """Fill a database, search it, and print a table; whether all first pages came in time."""
    settings = Settings(database_url=url)
    await migrate(settings)
    connection = await asyncpg.connect(url)
    began = time.monotonic()
    await write(connection, MadeUpHistory(rows, days))
    print(f"\n{rows:,} jobs in {days} days, made and written in {time.monotonic() - began:.0f} s")
    await connection.execute("VACUUM ANALYZE")
    await connection.close()
    database = open_database(settings)
    in_time = await _print_table(HistoryReader(database))
    await database.close()
    return in_time


async def _print_table(history: HistoryReader) -> bool:
    in_time = True
    print(f"{'median ms':<26}", *(f"{column:>10}" for column in COLUMNS))
    for name, wanted in SEARCHES.items():
        medians = [await _median_ms(ask) for ask in await _questions(history, wanted)]
        in_time = in_time and medians[0] < LIMIT_MS
        print(f"{name:<26}", *(f"{median:>10.1f}" for median in medians), flush=True)
    return in_time


async def _questions(history: HistoryReader, wanted: JobFilter) -> list[Callable[[], Awaitable[object]]]:
    """One per column."""
    cursor = (await history.page(wanted)).next_cursor
    return [
        lambda: history.page(wanted),
        lambda: history.page(wanted, Sort.OLDEST),
        lambda: history.page(wanted, Sort.SLOWEST),
        lambda: history.page(wanted, after=cursor),
        lambda: history.count(wanted),
    ]


async def _median_ms(ask: Callable[[], Awaitable[object]]) -> float:
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        await ask()
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.history", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument(
        "--days", type=int, nargs="+", default=[30, 1], help="partitions to spread them over, in turn"
    )
    options = parser.parse_args()
    in_time = True
    for days in options.days:
        with (
            tempfile.TemporaryDirectory(prefix="monarq-bench-") as folder,
            EmbeddedPostgres(Path(folder) / "pg", options={"max_wal_size": "4GB"}) as server,
        ):
            in_time = asyncio.run(measure(server.url, options.rows, days)) and in_time
    sys.exit(not in_time)


if __name__ == "__main__":
    main()
