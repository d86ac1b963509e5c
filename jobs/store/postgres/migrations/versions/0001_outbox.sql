CREATE TABLE monarq.outbox (
    job_id       text COLLATE "C" PRIMARY KEY,
    queue        text NOT NULL,
    kind         text NOT NULL,
    rank         smallint NOT NULL DEFAULT 2 CHECK (rank BETWEEN 0 AND 3),
    -- when it may start; NULL: at once
    due_at       timestamptz,
    -- the envelope up to the value of `et`
    head         bytea NOT NULL,
    digest       text NOT NULL DEFAULT '',
    unique_rule  text NOT NULL DEFAULT '',
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- it could not be sent, and waits for somebody to mend it
    set_aside_at timestamptz,
    reason       text,
    CHECK ((set_aside_at IS NULL) = (reason IS NULL))
)
-- rows come and go: vacuum by their number, not by a share of an ever-changing table
WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_insert_scale_factor = 0);

COMMENT ON TABLE monarq.outbox IS 'Jobs that an app has committed, and that are not in Redis yet';
CREATE INDEX outbox_pending ON monarq.outbox (created_at, job_id) WHERE set_aside_at IS NULL;
CREATE INDEX outbox_set_aside ON monarq.outbox (set_aside_at, job_id) WHERE set_aside_at IS NOT NULL;

-- A hint, sent when the transaction commits; who misses it finds the row by looking.
CREATE FUNCTION monarq.announce_outbox() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('monarq_outbox', '');
    RETURN NULL;
END
$$;
CREATE TRIGGER announce AFTER INSERT ON monarq.outbox
    FOR EACH STATEMENT EXECUTE FUNCTION monarq.announce_outbox();
