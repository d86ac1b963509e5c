"""The schedules that the workers have."""

from monarq.jobs.store.postgres.migrating import run_script

revision = "0006_schedules"
down_revision = "0005_audit"


def upgrade() -> None:
    run_script(revision)
