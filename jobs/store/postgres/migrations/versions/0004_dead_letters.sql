CREATE TABLE monarq.dead_letters (
    job_id      text COLLATE "C" NOT NULL,
    -- a job that was replayed and has died again is another letter
    died_at     timestamptz NOT NULL,
    queue       text COLLATE "C" NOT NULL,
    -- how the queue stands in Redis' list of those that exist: arq's may be named freely
    queue_entry text NOT NULL,
    -- NULL: the letter cannot be read
    kind        text COLLATE "C",
    rank        smallint NOT NULL CHECK (rank BETWEEN 0 AND 3),
    fingerprint text COLLATE "C" NOT NULL,
    -- starts so far: the fences of its next life count on from here
    starts      bigint NOT NULL,
    -- the envelope, and one JSON record per attempt, oldest first, as they lay in Redis: perhaps neither is JSON
    body        bytea NOT NULL,
    attempts    bytea[] NOT NULL,
    -- what lay at other keys of the job and could not be used
    set_aside_names text[] NOT NULL DEFAULT '{}',
    set_aside_found bytea[] NOT NULL DEFAULT '{}',
    -- id, last error and arguments, folded: what a text is looked for in
    searchable  text NOT NULL,
    -- NULL: Redis holds the letter still, or has just given it away
    moved_at    timestamptz,
    PRIMARY KEY (job_id, died_at)
);

COMMENT ON TABLE monarq.dead_letters IS 'Jobs that are out of attempts, discarded or unreadable';
-- One queue after the other, by the time of death; groups are counted from the last one alone.
CREATE INDEX dead_letters_queue ON monarq.dead_letters (queue, died_at, job_id) WHERE moved_at IS NOT NULL;
CREATE INDEX dead_letters_kind ON monarq.dead_letters (queue, kind, died_at, job_id) WHERE moved_at IS NOT NULL;
CREATE INDEX dead_letters_fingerprint ON monarq.dead_letters (queue, fingerprint, died_at, job_id)
    INCLUDE (kind) WHERE moved_at IS NOT NULL;
CREATE INDEX dead_letters_pending ON monarq.dead_letters (job_id, died_at) WHERE moved_at IS NULL;
