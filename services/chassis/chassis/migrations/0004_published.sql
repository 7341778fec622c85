-- migrate:up

-- What the relay has published, kept for some days: a lost topic is rebuilt from here. Partitioned by the day of
-- publishing, so that days are dropped whole. The key finds what is erased.
CREATE TABLE published (
    tenant_id text NOT NULL,
    topic text NOT NULL,
    key bytea NOT NULL,
    id bigint NOT NULL,
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    published_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, topic, key, id, published_at)
) PARTITION BY RANGE (published_at);
CREATE TABLE published_other PARTITION OF published DEFAULT;
SELECT protect_tenant_table('published');

-- The same for topics that keep for ever: the newest of each key of a compacted one (version 0), every event of
-- one that is never compacted (version = its sequence).
CREATE TABLE published_states (
    tenant_id text NOT NULL,
    topic text NOT NULL,
    key bytea NOT NULL,
    version bigint NOT NULL,
    id bigint NOT NULL,
    sequence bigint NOT NULL,
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    published_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, topic, key, version)
);
SELECT protect_tenant_table('published_states');
DO $$ BEGIN
    EXECUTE format('REVOKE ALL ON published, published_states FROM %I', current_schema() || '_http');
END $$;

-- Makes the partitions of today and the next two days, drops those that ended more than `keep` ago; with zero
-- all that was kept goes. Days are UTC's. Returns how many tables changed.
CREATE FUNCTION maintain_published(keep interval) RETURNS int LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    today date := (now() AT TIME ZONE 'UTC')::date;
    part record;
    changed int := 0;
BEGIN
    IF keep <= interval '0' THEN
        IF EXISTS (SELECT FROM published) OR EXISTS (SELECT FROM published_states) THEN
            TRUNCATE published, published_states;
            changed := 2;
        END IF;
        RETURN changed;
    END IF;
    FOR part IN
        SELECT 'published_' || to_char(today + n, 'YYYYMMDD') AS name,
            (today + n)::timestamp AT TIME ZONE 'UTC' AS first, (today + n + 1)::timestamp AT TIME ZONE 'UTC' AS behind
        FROM generate_series(0, 2) n
    LOOP
        IF to_regclass(part.name) IS NULL AND NOT EXISTS (
            SELECT FROM published_other WHERE published_at >= part.first AND published_at < part.behind
        ) THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF published FOR VALUES FROM (%L) TO (%L)',
                part.name, part.first, part.behind);
            changed := changed + 1;
        END IF;
    END LOOP;
    FOR part IN
        SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'published'::regclass AND c.relname ~ '^published_[0-9]{8}$'
          AND (to_date(substr(c.relname, 11), 'YYYYMMDD') + 1)::timestamp AT TIME ZONE 'UTC' <= now() - keep
    LOOP
        EXECUTE format('DROP TABLE %I', part.name);
        changed := changed + 1;
    END LOOP;
    DELETE FROM published_other WHERE published_at < now() - keep;
    RETURN changed;
END $$;
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION maintain_published SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('GRANT EXECUTE ON FUNCTION maintain_published TO %I', current_schema());
END $$;
SELECT maintain_published(interval '3 days');

-- migrate:down
DROP FUNCTION maintain_published(interval);
DROP TABLE published_states, published;
