-- migrate:up

-- Dialogs that came, went on or were rated since they were last looked at. Triggers write here, so that no
-- writer can forget; a worker takes from it.
CREATE TABLE suggestion_queue (
    tenant_id text NOT NULL,
    dialog_id text NOT NULL,
    queued_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, dialog_id)
);
CREATE INDEX suggestion_queue_in_order ON suggestion_queue (queued_at);
SELECT protect_tenant_table('suggestion_queue');

CREATE FUNCTION queue_suggestions() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO suggestion_queue
    SELECT DISTINCT tenant_id, dialog_id FROM made ORDER BY 1, 2 ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER queue_suggestions AFTER INSERT ON candidates REFERENCING NEW TABLE AS made
    FOR EACH STATEMENT EXECUTE FUNCTION queue_suggestions();
CREATE TRIGGER queue_rated AFTER INSERT ON ratings REFERENCING NEW TABLE AS made
    FOR EACH STATEMENT EXECUTE FUNCTION queue_suggestions();
CREATE TRIGGER queue_rerated AFTER UPDATE ON ratings REFERENCING NEW TABLE AS made
    FOR EACH STATEMENT EXECUTE FUNCTION queue_suggestions();

-- A branch of a dialog that is worth a look, as of its newest revision: `reasons` name messages, never their
-- text; `names` are those of the reasons, to filter by; `skipped` those for which it was skipped.
CREATE TABLE suggestions (
    tenant_id text NOT NULL,
    dataset_id uuid NOT NULL,
    dialog_id text NOT NULL,
    branch text NOT NULL,
    revision bigint NOT NULL,
    source text NOT NULL,
    outcome text,
    message_count bigint NOT NULL,
    ended_at timestamptz NOT NULL,
    reasons jsonb NOT NULL,
    names text[] NOT NULL,
    score int NOT NULL,
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'accepted', 'skipped', 'snoozed')),
    snoozed_until timestamptz,
    skipped text[] NOT NULL DEFAULT '{}',
    example_id uuid,
    decided_by text,
    decided_at timestamptz,
    suggested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, dataset_id, dialog_id, branch),
    FOREIGN KEY (tenant_id, dataset_id) REFERENCES datasets (tenant_id, id)
);
CREATE INDEX suggestions_in_order
    ON suggestions (tenant_id, dataset_id, score DESC, ended_at DESC, dialog_id, branch);
CREATE INDEX suggestions_of_dialog ON suggestions (tenant_id, dialog_id);
SELECT protect_tenant_table('suggestions');

-- However a dialog came into the dataset, nobody needs to be told of it any more.
CREATE FUNCTION accept_suggestions() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE suggestions s SET state = 'accepted', example_id = m.id, decided_by = m.changed_by,
        decided_at = clock_timestamp(), snoozed_until = NULL
    FROM made m
    WHERE m.dialog_id IS NOT NULL AND s.tenant_id = m.tenant_id AND s.dataset_id = m.dataset_id
      AND s.dialog_id = m.dialog_id AND s.branch = m.branch;
    RETURN NULL;
END $$;
CREATE TRIGGER accept_suggestions AFTER INSERT ON examples REFERENCING NEW TABLE AS made
    FOR EACH STATEMENT EXECUTE FUNCTION accept_suggestions();

-- What is there already is looked at too.
INSERT INTO suggestion_queue SELECT DISTINCT tenant_id, dialog_id FROM candidates;

-- migrate:down
DROP TRIGGER accept_suggestions ON examples;
DROP TRIGGER queue_rerated ON ratings;
DROP TRIGGER queue_rated ON ratings;
DROP TRIGGER queue_suggestions ON candidates;
DROP FUNCTION accept_suggestions(), queue_suggestions();
DROP TABLE suggestions, suggestion_queue;
