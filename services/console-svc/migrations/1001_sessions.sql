-- migrate:up

-- Who is signed in. Found by the hash of the cookie before it is known whose it is, so the tenant is no part of
-- the key; `sealed` holds the issuer's tokens under the master key, `page_token` what pages send with a change.
CREATE TABLE sessions (
    id_sha256 bytea PRIMARY KEY,
    tenant_id text NOT NULL,
    subject text NOT NULL,
    name text NOT NULL,
    role text NOT NULL,
    page_token text NOT NULL,
    sealed bytea NOT NULL,
    access_until timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ends_at timestamptz NOT NULL
);
CREATE INDEX sessions_ends_at ON sessions (ends_at);

-- Sign-ins that have begun: what must come back from the issuer, and where to go on afterwards.
CREATE TABLE sign_ins (
    id_sha256 bytea PRIMARY KEY,
    state text NOT NULL,
    nonce text NOT NULL,
    verifier text NOT NULL,
    go_on text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX sign_ins_created_at ON sign_ins (created_at);

DO $$ BEGIN
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON sessions, sign_ins TO %I, %I',
        current_schema(), current_schema() || '_http');
END $$;

-- migrate:down
DROP TABLE sign_ins, sessions;
