"""Who changed what by hand."""

from monarq.jobs.store.postgres.migrating import run_script

revision = "0005_audit"
down_revision = "0004_dead_letters"


def upgrade() -> None:
    run_script(revision)
