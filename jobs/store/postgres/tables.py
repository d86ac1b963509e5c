"""The table that searches of the history are built on."""

from __future__ import annotations

from sqlalchemy import ARRAY, BigInteger, Column, DateTime, Integer, MetaData, Table, Text
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
