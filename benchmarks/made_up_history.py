"""A made-up history in which some values are common, some rare, and some only in days long ago."""

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic_core import to_json

#: The end of the newest job; the days before it are filled evenly.
NOW = datetime(2026, 3, 31, 18, tzinfo=UTC)
COLUMNS = (
    "job_id", "ended_at", "state", "queue", "kind", "priority", "tags", "worker", "attempts", "starts",
    "enqueued_at", "started_at", "run_ms", "wait_ms", "error_type", "error_message", "fingerprint",
    "payload", "result",
)  # fmt: skip

RARE_KIND = "report.yearly"
OLD_KIND = "legacy.import"
COMMON_FINGERPRINT, RARE_FINGERPRINT = "00000000000000f0", "00000000000000ff"

_ERRORS = (
    ("httpx.ReadTimeout", "no answer from https://api.example.com within 30 s", COMMON_FINGERPRINT, 60),
    ("ConnectionError", "connection to 10.0.0.7 was reset by its peer", "00000000000000f1", 30),
    ("KeyError", "'invoice_number'", "00000000000000f2", 9),
    ("ValueError", "the zebra does not fit its cage", RARE_FINGERPRINT, 0.03),
)


class MadeUpHistory:
    """Rows of `monarq.jobs`, always the same ones.

    Args:
        count: How many.
        days: Over which they are spread, the last of them that of `NOW`.
    """

    def __init__(self, count: int, days: int) -> None:
        self.count = count
        self.days = days
        self._span = timedelta(days=days - 1, hours=18)
        self._random = random.Random()

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """All rows, the oldest first, as `COLUMNS` names them."""
        self._random.seed(20260331)
        for number in range(self.count):
            yield self._row(number)

    def _row(self, number: int) -> tuple[Any, ...]:
        chance = self._random.random
        age = self._span * (1 - (number + 1) / self.count)
        ended_at = NOW - age
        is_old = age > self._span * 0.7
        state = self._pick(("succeeded", 96), ("dead", 3), ("cancelled", 0.95), ("expired", 0.05))
        kind = self._kind(number, is_old)
        run_ms = round(self._random.lognormvariate(3 if kind == "mail.send" else 5, 1))
        wait_ms = round(self._random.expovariate(1 / 200))
        started_at = ended_at - timedelta(milliseconds=run_ms)
        error = self._pick(*((one, one[3]) for one in _ERRORS)) if state == "dead" else (None, None, None)
        tags = [f"customer:{self._random.randrange(20_000)}"] if chance() < 0.3 else []
        tags += ["eu"] if chance() < 0.2 else []
        return (
            f"{number:032x}",
            ended_at,
            state,
            self._pick(("default", 70), ("mail", 29.9), ("archive", 0.1)),
            kind,
            self._pick(("normal", 90), ("low", 6), ("high", 3.9), ("critical", 0.1)),
            tags,
            f"worker-{ended_at:%m%d}-{number % 8}",
            5 if state == "dead" else 0,
            6 if state == "dead" else 1,
            started_at - timedelta(milliseconds=wait_ms),
            started_at,
            run_ms,
            wait_ms,
            *error[:3],
            self._payload(number),
            None,
        )

    def _kind(self, number: int, is_old: bool) -> str:
        if number % (self.count // 20) == 7:
            return RARE_KIND
        if is_old and self._random.random() < 0.2:
            return OLD_KIND
        return self._pick(("mail.send", 50), ("image.resize", 30), ("order.ship", 15), ("report.daily", 5))

    def _payload(self, number: int) -> str:
        country = self._pick(("de", 60), ("fr", 39.9), ("is", 0.1))
        lines = [{"sku": f"sku-{self._random.randrange(5_000)}"} for _ in range(2)]
        customer = {"id": self._random.randrange(20_000), "country": country}
        return to_json({"order": number, "customer": customer, "lines": lines}).decode()

    def _pick(self, *choices: tuple[Any, float]) -> Any:
        values, weights = zip(*choices, strict=True)
        return self._random.choices(values, weights)[0]


async def write(connection: Any, history: MadeUpHistory, batch: int = 5_000) -> None:
    """Make the days of a history and copy its rows into them."""
    first = (NOW - timedelta(days=history.days - 1)).date()
    await connection.execute("SELECT monarq.make_history_days($1, $2)", first, history.days)
    rows: list[tuple[Any, ...]] = []
    for row in history.rows():
        rows.append(row)
        if len(rows) == batch:
            await copy(connection, rows)
            rows.clear()
    await copy(connection, rows)


async def copy(connection: Any, rows: Sequence[tuple[Any, ...]]) -> None:
    """Copy rows of `COLUMNS`."""
    await connection.copy_records_to_table("jobs", schema_name="monarq", columns=COLUMNS, records=rows)
