CREATE TABLE monarq.users (
    id            text COLLATE "C" PRIMARY KEY,
    name          text COLLATE "C" NOT NULL,
    -- argon2id, as its library encodes it; NULL: no login by password
    password_hash text,
    grants        jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(grants) = 'array'),
    is_active     boolean NOT NULL DEFAULT true,
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_by    text NOT NULL,
    changed_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE monarq.users IS 'People who may use the dashboard';
-- Ann and ann are one person
CREATE UNIQUE INDEX users_name ON monarq.users (lower(name));

CREATE TABLE monarq.api_tokens (
    id           text COLLATE "C" PRIMARY KEY,
    name         text COLLATE "C" NOT NULL,
    -- SHA-256 of the whole token: 256 random bits need no slow hash
    digest       bytea NOT NULL UNIQUE CHECK (octet_length(digest) = 32),
    -- its first characters, to recognise it by
    hint         text NOT NULL,
    -- it may never do more than they; NULL: it belongs to the installation
    owner_id     text COLLATE "C" REFERENCES monarq.users (id) ON DELETE CASCADE,
    grants       jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(grants) = 'array'),
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_by   text NOT NULL,
    expires_at   timestamptz NOT NULL,
    last_used_at timestamptz,
    revoked_at   timestamptz
);
COMMENT ON TABLE monarq.api_tokens IS 'What programs show to the HTTP API; the tokens themselves are not kept';
CREATE INDEX api_tokens_owner ON monarq.api_tokens (owner_id, id);
