"""The history: every finished job and its attempts, in partitions by day."""

from monarq.jobs.store.postgres.migrating import run_script

revision = "0003_history"
down_revision = "0002_durable_jobs"


def upgrade() -> None:
    run_script(revision)
