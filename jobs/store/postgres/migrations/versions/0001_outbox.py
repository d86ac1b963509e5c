"""The outbox: jobs that were committed in an app's own transaction, on their way to Redis."""

from monarq.jobs.store.postgres.migrating import run_script

revision = "0001_outbox"
down_revision = None


def upgrade() -> None:
    run_script(revision)
