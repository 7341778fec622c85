-- migrate:up

-- What was erased, by a hash of its id: whatever still arrives of it is dropped, for ever. `heard_at` is when
-- something last did, and with that came into a topic again.
CREATE TABLE tombstones (
    tenant_id text NOT NULL,
    kind text NOT NULL,
    subject_hmac bytea NOT NULL,
    erasure_id uuid,
    requested_at timestamptz NOT NULL,
    heard_at timestamptz,
    PRIMARY KEY (tenant_id, kind, subject_hmac)
);
SELECT protect_tenant_table('tombstones');

-- migrate:down
DROP TABLE tombstones;
