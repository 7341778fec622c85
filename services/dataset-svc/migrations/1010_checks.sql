-- migrate:up

-- Examples whose copy changed since it was checked. A trigger writes here, so that no writer can forget.
CREATE TABLE check_queue (
    tenant_id text NOT NULL,
    dataset_id uuid NOT NULL,
    example_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, dataset_id, example_id),
    FOREIGN KEY (tenant_id, example_id) REFERENCES examples (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX check_queue_of_example ON check_queue (tenant_id, example_id);
SELECT protect_tenant_table('check_queue');

CREATE FUNCTION queue_new_examples() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO check_queue SELECT tenant_id, dataset_id, id FROM made ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER queue_new AFTER INSERT ON examples REFERENCING NEW TABLE AS made
    FOR EACH STATEMENT EXECUTE FUNCTION queue_new_examples();

CREATE FUNCTION queue_changed_example() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO check_queue VALUES (new.tenant_id, new.dataset_id, new.id) ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER queue_changed AFTER UPDATE OF state, saved_revision, draft_revision, ratings ON examples
    FOR EACH ROW WHEN (
        old.state <> new.state
        OR new.saved_revision IS DISTINCT FROM old.saved_revision
        OR (new.state = 'draft' AND (new.draft_revision <> old.draft_revision OR new.ratings <> old.ratings))
    ) EXECUTE FUNCTION queue_changed_example();

-- The copy of an example that counts (its saved revision, or the draft of one never saved), as last checked.
CREATE TABLE example_checks (
    tenant_id text NOT NULL,
    example_id uuid NOT NULL,
    dataset_id uuid NOT NULL,
    state text NOT NULL CHECK (state IN ('draft', 'saved')),
    revision bigint NOT NULL,
    dialog_key text NOT NULL,
    split_hash bytea NOT NULL,
    content_sha256 bytea NOT NULL,
    tokens bigint NOT NULL,
    answered_under bigint,
    checked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, example_id),
    FOREIGN KEY (tenant_id, example_id) REFERENCES examples (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX example_checks_same ON example_checks (tenant_id, dataset_id, content_sha256) WHERE state = 'saved';
SELECT protect_tenant_table('example_checks');

-- `number` tells findings of one code apart; words are made from code and facts when they are read.
CREATE TABLE findings (
    tenant_id text NOT NULL,
    dataset_id uuid NOT NULL,
    example_id uuid NOT NULL,
    code text NOT NULL,
    number int NOT NULL,
    severity text NOT NULL CHECK (severity IN ('error', 'warning', 'note')),
    place jsonb NOT NULL,
    PRIMARY KEY (tenant_id, dataset_id, example_id, code, number),
    FOREIGN KEY (tenant_id, example_id) REFERENCES example_checks (tenant_id, example_id) ON DELETE CASCADE
);
CREATE INDEX findings_by_code ON findings (tenant_id, dataset_id, code, example_id);
CREATE INDEX findings_of_example ON findings (tenant_id, example_id);
SELECT protect_tenant_table('findings');

-- Corrected answers that teach, by hashes of what was asked and answered: two answers are a contradiction.
CREATE TABLE corrected_answers (
    tenant_id text NOT NULL,
    example_id uuid NOT NULL,
    number int NOT NULL,
    dataset_id uuid NOT NULL,
    message_id text NOT NULL,
    question bytea NOT NULL,
    answer bytea NOT NULL,
    PRIMARY KEY (tenant_id, example_id, number),
    FOREIGN KEY (tenant_id, example_id) REFERENCES example_checks (tenant_id, example_id) ON DELETE CASCADE
);
CREATE INDEX corrected_answers_same ON corrected_answers (tenant_id, dataset_id, question);
SELECT protect_tenant_table('corrected_answers');

-- Warnings that a person has looked at: they hold for this content only.
CREATE TABLE dismissals (
    tenant_id text NOT NULL,
    example_id uuid NOT NULL,
    code text NOT NULL,
    content_sha256 bytea NOT NULL,
    why text NOT NULL,
    dismissed_by text NOT NULL,
    dismissed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, example_id, code, content_sha256),
    FOREIGN KEY (tenant_id, example_id) REFERENCES examples (tenant_id, id) ON DELETE CASCADE
);
SELECT protect_tenant_table('dismissals');

-- Every version of an agent that was heard of: answers are frozen as recorded with the one they had.
CREATE TABLE agent_versions (
    tenant_id text NOT NULL,
    agent_id text NOT NULL,
    version bigint NOT NULL,
    prompt text NOT NULL,
    tools jsonb NOT NULL,
    parallel_tool_calls boolean,
    fingerprint text NOT NULL,
    PRIMARY KEY (tenant_id, agent_id, version)
);
SELECT protect_tenant_table('agent_versions');
INSERT INTO agent_versions
SELECT tenant_id, agent_id, version, prompt, tools, parallel_tool_calls, fingerprint FROM agents;


-- What is there already is checked too.
INSERT INTO check_queue SELECT tenant_id, dataset_id, id FROM examples;

-- migrate:down
DROP TABLE agent_versions, dismissals, corrected_answers, findings, example_checks;
DROP TRIGGER queue_changed ON examples;
DROP TRIGGER queue_new ON examples;
DROP FUNCTION queue_changed_example(), queue_new_examples();
DROP TABLE check_queue;
