-- migrate:up

-- Who asked to erase what: a dialog, or all dialogs of a client. The id itself goes once nothing of it is left
-- to find; `subject_hmac` tells that it was asked for before. `position` is the client's dialog erased last,
-- `again_at` when he is looked for once more.
CREATE TABLE erasure_requests (
    tenant_id text NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('dialog', 'client')),
    subject_hmac bytea NOT NULL,
    subject text,
    reason text NOT NULL,
    asked_by text NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    again_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    position text NOT NULL DEFAULT '',
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX erasure_requests_to_serve ON erasure_requests (again_at) WHERE subject IS NOT NULL;
CREATE INDEX erasure_requests_same ON erasure_requests (tenant_id, kind, subject_hmac);
SELECT protect_tenant_table('erasure_requests');

-- One a dialog; `removed` counts what went here.
CREATE TABLE erasures (
    tenant_id text NOT NULL,
    id uuid NOT NULL,
    request_id uuid NOT NULL,
    erased_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    removed jsonb NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, request_id) REFERENCES erasure_requests (tenant_id, id)
);
CREATE INDEX erasures_of_request ON erasures (tenant_id, request_id, id);
SELECT protect_tenant_table('erasures');

-- Words of erased dialogs that are still to be taken out of the vocabulary, some at a time.
CREATE TABLE erased_words (
    tenant_id text NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    request_id uuid NOT NULL,
    shelf int NOT NULL,
    words text[] NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, request_id) REFERENCES erasure_requests (tenant_id, id)
);
CREATE INDEX erased_words_of_request ON erased_words (tenant_id, request_id);
SELECT protect_tenant_table('erased_words');

-- What the other services say they did about it; the newest word of each counts.
CREATE TABLE erasure_reports (
    tenant_id text NOT NULL,
    erasure_id uuid NOT NULL,
    service text NOT NULL,
    state text NOT NULL CHECK (state IN ('waiting', 'done')),
    removed jsonb NOT NULL,
    held jsonb NOT NULL,
    at timestamptz NOT NULL,
    heard_at timestamptz,
    PRIMARY KEY (tenant_id, erasure_id, service)
);
SELECT protect_tenant_table('erasure_reports');

-- Folders of object storage to empty, `rounds` times.
CREATE TABLE doomed_folders (
    tenant_id text NOT NULL,
    folder text NOT NULL,
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    rounds int NOT NULL,
    PRIMARY KEY (tenant_id, folder)
);
CREATE INDEX doomed_folders_due ON doomed_folders (due_at);
SELECT protect_tenant_table('doomed_folders');

-- Takes words out of a tenant's vocabulary that no document on the shelf holds any more. Each is asked for with
-- a plan of its own: of a common word the next document will do, a rare one the index knows.
CREATE FUNCTION forget_words(tenant text, from_shelf int, words text[]) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    one text;
    held boolean;
    gone int := 0;
BEGIN
    FOREACH one IN ARRAY words LOOP
        EXECUTE 'SELECT EXISTS (SELECT FROM search_documents WHERE tenant_id = $1 AND shelf = $2 AND words @@ $3)'
            INTO held USING tenant, from_shelf,
            ('''' || replace(replace(one, '\', '\\'), '''', '''''') || '''')::tsquery;
        IF NOT held THEN
            DELETE FROM vocabulary WHERE tenant_id = tenant AND word = one AND shelf = from_shelf;
            gone := gone + 1;
        END IF;
    END LOOP;
    RETURN gone;
END $$;
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION forget_words SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('GRANT EXECUTE ON FUNCTION forget_words TO %I', current_schema());
END $$;

-- migrate:down
DROP FUNCTION forget_words;
DROP TABLE doomed_folders, erasure_reports, erased_words, erasures, erasure_requests;
