CREATE TABLE monarq.rollups (
    -- how long its span is; those of an hour hold all that those of five minutes hold
    minutes     smallint NOT NULL CHECK (minutes IN (5, 60)),
    -- jobs that ended from then on, and before the next span begins
    began_at    timestamptz NOT NULL,
    queue       text COLLATE "C" NOT NULL,
    kind        text COLLATE "C" NOT NULL,
    succeeded   integer NOT NULL,
    dead        integer NOT NULL,
    cancelled   integer NOT NULL,
    expired     integer NOT NULL,
    -- succeeded, but not at the first attempt
    recovered   integer NOT NULL,
    -- sums over all jobs
    attempts    bigint NOT NULL,
    starts      bigint NOT NULL,
    run_ms      bigint NOT NULL,
    wait_ms     bigint NOT NULL,
    -- how many took up to 5 ms, up to 10 ms, …, and longer than an hour: jobs/histogram.py has the bounds
    run_counts  integer[] NOT NULL CHECK (cardinality(run_counts) = 19),
    wait_counts integer[] NOT NULL CHECK (cardinality(wait_counts) = 19),
    PRIMARY KEY (minutes, began_at, queue, kind)
)
-- the newest spans are written anew each minute: new versions find room beside the old ones
WITH (fillfactor = 70);

COMMENT ON TABLE monarq.rollups IS 'The history in numbers, per span of time, queue and kind';

-- One row, once the first roll-up was made.
CREATE TABLE monarq.rollup_progress (
    is_only       boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    -- all that ended before was counted, but for what is in late_ends and what comes in the next minutes
    counted_until timestamptz NOT NULL,
    looked_at     timestamptz NOT NULL
);

COMMENT ON TABLE monarq.rollup_progress IS 'How far the history has been rolled up';

-- Spans of five minutes into which jobs were written long after they ended: written with them, in one transaction.
-- A row each time: no writer waits for another, nor for who rolls up.
CREATE TABLE monarq.late_ends (began_at timestamptz NOT NULL);

COMMENT ON TABLE monarq.late_ends IS 'Spans that are to be rolled up once more';
