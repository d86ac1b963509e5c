CREATE TABLE monarq.audit (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor      text NOT NULL,
    -- what no other has, where the dashboard knows it; by what that was shown, in which roles, and from where
    actor_id   text,
    means      text,
    role       text,
    address    text,
    place      text NOT NULL DEFAULT '',
    action     text NOT NULL,
    -- what it was done to: a job, a queue, a kind, a group of dead letters
    subject    text NOT NULL,
    -- what it concerns: who may see these may see that it was done
    queue      text,
    kind       text,
    result     text NOT NULL DEFAULT 'done',
    request_id text,
    before     jsonb,
    after      jsonb,
    detail     jsonb NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE monarq.audit IS 'Who changed what by hand';
CREATE INDEX audit_subject ON monarq.audit (subject, id DESC);
CREATE INDEX audit_actor ON monarq.audit (actor, id DESC);
CREATE INDEX audit_action ON monarq.audit (action, id DESC);

-- Acts are added, and deleted when they are old; nobody changes one, nor the past with it.
CREATE FUNCTION monarq.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never changed', TG_TABLE_NAME;
END $$;
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON monarq.audit
    FOR EACH STATEMENT EXECUTE FUNCTION monarq.refuse_change();
