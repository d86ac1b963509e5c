"""The tables that searches are built on."""

from __future__ import annotations

from sqlalchemy import ARRAY, BigInteger, Column, DateTime, Integer, MetaData, SmallInteger, Table, Text
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR

jobs = Table(
    "jobs",
    MetaData(schema="monarq"),
    Column("job_id", Text),
    Column("ended_at", DateTime(timezone=True)),
    Column("state", Text),
    Column("queue", Text),
    Column("kind", Text),
    Column("priority", Text),
    Column("tags", ARRAY(Text)),
    Column("worker", Text),
    Column("attempts", Integer),
    Column("starts", Integer),
    Column("enqueued_at", DateTime(timezone=True)),
    Column("started_at", DateTime(timezone=True)),
    Column("run_ms", BigInteger),
    Column("wait_ms", BigInteger),
    Column("error_type", Text),
    Column("error_message", Text),
    Column("error_words", TSVECTOR),
    Column("fingerprint", Text),
    Column("reason", Text),
    Column("by", Text),
    Column("payload", JSONB),
    Column("result", JSONB),
)

rollups = Table(
    "rollups",
    jobs.metadata,
    Column("minutes", SmallInteger),
    Column("began_at", DateTime(timezone=True)),
    Column("queue", Text),
    Column("kind", Text),
    Column("succeeded", Integer),
    Column("dead", Integer),
    Column("cancelled", Integer),
    Column("expired", Integer),
    Column("recovered", Integer),
    Column("attempts", BigInteger),
    Column("starts", BigInteger),
    Column("run_ms", BigInteger),
    Column("wait_ms", BigInteger),
    Column("run_counts", ARRAY(Integer)),
    Column("wait_counts", ARRAY(Integer)),
)
