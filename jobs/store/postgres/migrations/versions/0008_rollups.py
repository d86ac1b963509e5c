"""The history in numbers, per span of time."""

from monarq.jobs.store.postgres.migrating import run_script

revision = "0008_rollups"
down_revision = "0007_schedules"


def upgrade() -> None:
    run_script(revision)
