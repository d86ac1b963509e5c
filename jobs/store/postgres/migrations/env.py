"""What Alembic runs: the steps that are missing, on the connection that `migrating.py` has opened."""

from alembic import context

from monarq.jobs.store.postgres.migrating import SCHEMA

context.configure(
    connection=context.config.attributes["connection"],
    version_table="migrations",
    version_table_schema=SCHEMA,
)
with context.begin_transaction():
    context.run_migrations()
