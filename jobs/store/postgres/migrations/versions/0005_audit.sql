CREATE TABLE monarq.audit (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor   text NOT NULL,
    place   text NOT NULL DEFAULT '',
    action  text NOT NULL,
    -- what it was done to: a job, a queue, a kind, a group of dead letters
    subject text NOT NULL,
    detail  jsonb NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE monarq.audit IS 'Who changed what by hand';
CREATE INDEX audit_subject ON monarq.audit (subject, id DESC);
CREATE INDEX audit_actor ON monarq.audit (actor, id DESC);
CREATE INDEX audit_action ON monarq.audit (action, id DESC);
