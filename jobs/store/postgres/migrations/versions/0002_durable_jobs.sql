CREATE TABLE monarq.durable_jobs (
    job_id      text COLLATE "C" PRIMARY KEY,
    queue       text NOT NULL,
    kind        text NOT NULL,
    rank        smallint NOT NULL DEFAULT 2 CHECK (rank BETWEEN 0 AND 3),
    due_at      timestamptz,
    head        bytea NOT NULL,
    digest      text NOT NULL DEFAULT '',
    unique_rule text NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- the newest attempt that has begun: its number, its worker, and the attempts spent before it
    fence       bigint NOT NULL DEFAULT 0,
    worker      text NOT NULL DEFAULT '',
    spent       integer NOT NULL DEFAULT 0,
    -- NULL while it has not ended
    state       text CHECK (state IN ('succeeded', 'dead', 'cancelled', 'expired')),
    ended_at    timestamptz,
    -- the record of its result, as it lies in Redis, and of the failure that it died of
    result      bytea,
    failure     bytea,
    CHECK ((state IS NULL) = (ended_at IS NULL))
)
WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);

COMMENT ON TABLE monarq.durable_jobs IS 'Jobs of which PostgreSQL is the truth, and Redis a copy';
CREATE INDEX durable_jobs_open ON monarq.durable_jobs (created_at, job_id) WHERE ended_at IS NULL;
CREATE INDEX durable_jobs_ended ON monarq.durable_jobs (ended_at, job_id) WHERE ended_at IS NOT NULL;

-- What both servers know of the Redis that was last seen: by it a Redis is recognised that has lost or gone back.
CREATE TABLE monarq.epochs (
    is_current boolean PRIMARY KEY DEFAULT true CHECK (is_current),
    epoch      bigint NOT NULL,
    beat       bigint NOT NULL DEFAULT 0,
    run_id     text NOT NULL DEFAULT '',
    began_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE monarq.epochs IS 'One row: the life of the Redis beside this database';
