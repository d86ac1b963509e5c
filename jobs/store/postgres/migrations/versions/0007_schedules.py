"""The schedules that the workers have."""

from monarq.jobs.store.postgres.migrating import run_script

revision = "0007_schedules"
down_revision = "0006_access"


def upgrade() -> None:
    run_script(revision)
