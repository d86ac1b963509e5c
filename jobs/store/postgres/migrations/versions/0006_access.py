"""Who may use the dashboard: users and API tokens."""

from monarq.jobs.store.postgres.migrating import run_script

revision = "0006_access"
down_revision = "0005_audit"


def upgrade() -> None:
    run_script(revision)
