"""Dead letters, without the cap that Redis needs."""

from monarq.jobs.store.postgres.migrating import run_script

revision = "0004_dead_letters"
down_revision = "0003_history"


def upgrade() -> None:
    run_script(revision)
