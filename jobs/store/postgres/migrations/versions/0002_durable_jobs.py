"""Durable jobs: what Redis can be rebuilt from."""

from monarq.jobs.store.postgres.migrating import run_script

revision = "0002_durable_jobs"
down_revision = "0001_outbox"


def upgrade() -> None:
    run_script(revision)
