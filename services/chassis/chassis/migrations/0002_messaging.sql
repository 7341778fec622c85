-- migrate:up

-- What each consumer has already taken, kept longer than any topic but agent.updated, whose
-- versions are their own guard. Partitioned by the event's own time, which a
-- redelivery repeats, so that old months are dropped and not deleted row by row.
CREATE TABLE inbox (
    consumer text NOT NULL,
    tenant_id text NOT NULL,
    source text NOT NULL,
    event_id text NOT NULL,
    event_time timestamptz NOT NULL,
    PRIMARY KEY (consumer, tenant_id, source, event_id, event_time)
) PARTITION BY RANGE (event_time);
CREATE TABLE inbox_other PARTITION OF inbox DEFAULT;
SELECT protect_tenant_table('inbox');

-- Last sequence per topic and key: taking the number is also the lock that keeps a key's order.
CREATE TABLE outbox_keys (
    tenant_id text NOT NULL,
    topic text NOT NULL,
    key bytea NOT NULL,
    last_sequence bigint NOT NULL,
    PRIMARY KEY (tenant_id, topic, key)
);
SELECT protect_tenant_table('outbox_keys');

-- Events committed with their cause and not yet on the broker; the relay deletes what it published.
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id text NOT NULL,
    lane text NOT NULL CHECK (lane IN ('log', 'compacted')),
    topic text NOT NULL,
    key bytea NOT NULL,
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX outbox_lane ON outbox (lane, id);
SELECT protect_tenant_table('outbox');

-- Newest sequence taken per key of a state topic; older ones are ignored.
CREATE TABLE seen_sequences (
    tenant_id text NOT NULL,
    topic text NOT NULL,
    key text NOT NULL,
    sequence bigint NOT NULL,
    PRIMARY KEY (tenant_id, topic, key)
);
SELECT protect_tenant_table('seen_sequences');

CREATE TABLE leases (
    name text PRIMARY KEY,
    holder text NOT NULL,
    epoch bigint NOT NULL,
    until timestamptz NOT NULL
);
DO $$ BEGIN
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON leases TO %I', current_schema());
END $$;

-- Answers to requests that carried an Idempotency-Key.
CREATE TABLE idempotency_keys (
    tenant_id text NOT NULL,
    key text NOT NULL,
    endpoint text NOT NULL,
    request_sha256 text NOT NULL,
    status int NOT NULL,
    answer jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, key, endpoint)
);
SELECT protect_tenant_table('idempotency_keys');

CREATE TABLE audit (
    tenant_id text NOT NULL,
    id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    subject text NOT NULL,
    action text NOT NULL,
    object_id text NOT NULL,
    details jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, id)
);
SELECT protect_tenant_table('audit');
-- Neither role changes or deletes an entry: what is noted stays noted, whatever becomes of a service.
DO $$ BEGIN
    EXECUTE format('REVOKE UPDATE, DELETE ON audit FROM %I, %I', current_schema(), current_schema() || '_http');
END $$;

-- Deletes up to `most` entries that are older than `keep`, of all tenants; returns the size of each. Ids are made
-- of the time, so the primary key finds them. Workers may call it, HTTP may not.
CREATE FUNCTION expire_audit(keep interval, most int) RETURNS SETOF int LANGUAGE sql SECURITY DEFINER AS $$
    DELETE FROM audit a USING (
        SELECT tenant_id, id FROM audit WHERE id < (SELECT uuidv7(-keep)) LIMIT most FOR UPDATE SKIP LOCKED
    ) old
    WHERE a.tenant_id = old.tenant_id AND a.id = old.id
    RETURNING pg_column_size(a.*)
$$;
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION expire_audit SET search_path = %I, pg_temp', current_schema());
    EXECUTE 'REVOKE EXECUTE ON FUNCTION expire_audit FROM PUBLIC';
    EXECUTE format('GRANT EXECUTE ON FUNCTION expire_audit TO %I', current_schema());
END $$;

-- Makes this and the next two months' partitions, drops those older than `keep`; returns what changed.
CREATE FUNCTION maintain_inbox(keep interval) RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    month date;
    part record;
    changed int := 0;
BEGIN
    FOR month IN SELECT generate_series(date_trunc('month', now() - keep), now() + interval '2 months', interval '1 month') LOOP
        IF to_regclass(format('inbox_%s', to_char(month, 'YYYYMM'))) IS NULL
           AND NOT EXISTS (SELECT FROM inbox_other WHERE event_time >= month AND event_time < month + interval '1 month') THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF inbox FOR VALUES FROM (%L) TO (%L)',
                'inbox_' || to_char(month, 'YYYYMM'), month, month + interval '1 month');
            changed := changed + 1;
        END IF;
    END LOOP;
    FOR part IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'inbox'::regclass AND c.relname ~ '^inbox_[0-9]{6}$'
          AND to_date(substr(c.relname, 7), 'YYYYMM') < date_trunc('month', now() - keep)
    LOOP
        EXECUTE format('DROP TABLE %I', part.relname);
        changed := changed + 1;
    END LOOP;
    RETURN changed;
END $$;
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION maintain_inbox SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('GRANT EXECUTE ON FUNCTION maintain_inbox TO %I', current_schema());
END $$;
SELECT maintain_inbox(interval '120 days');

-- migrate:down
DROP FUNCTION maintain_inbox(interval), expire_audit(interval, int);
DROP TABLE audit, idempotency_keys, leases, seen_sequences, outbox, outbox_keys, inbox;
