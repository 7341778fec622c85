-- migrate:up

-- Newest known version of each agent: what a frozen version is made with.
CREATE TABLE agents (
    tenant_id text NOT NULL,
    agent_id text NOT NULL,
    version bigint NOT NULL,
    name text NOT NULL,
    prompt text NOT NULL,
    tools jsonb NOT NULL,
    parallel_tool_calls boolean,
    fingerprint text NOT NULL,
    base_model text NOT NULL,
    provider text NOT NULL,
    keys jsonb NOT NULL,
    PRIMARY KEY (tenant_id, agent_id)
);
SELECT protect_tenant_table('agents');

CREATE TABLE datasets (
    tenant_id text NOT NULL,
    id uuid NOT NULL,
    agent_id text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, agent_id)
);
SELECT protect_tenant_table('datasets');

-- Transcripts that may become examples. A transcript above 256 KiB stays in object storage.
CREATE TABLE candidates (
    tenant_id text NOT NULL,
    dialog_id text NOT NULL,
    revision bigint NOT NULL,
    branch text NOT NULL,
    agent_id text NOT NULL,
    source text NOT NULL,
    outcome text,
    message_count bigint NOT NULL,
    ended_at timestamptz NOT NULL,
    transcript jsonb,
    uri text,
    sha256 text,
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, dialog_id, revision, branch),
    CHECK ((transcript IS NULL) <> (uri IS NULL))
);
SELECT protect_tenant_table('candidates');

-- Newest rating of a dialog (message_id '') or of one answer, by each kind of rater.
CREATE TABLE ratings (
    tenant_id text NOT NULL,
    dialog_id text NOT NULL,
    message_id text NOT NULL,
    rater text NOT NULL,
    rating text NOT NULL,
    PRIMARY KEY (tenant_id, dialog_id, message_id, rater)
);
SELECT protect_tenant_table('ratings');

-- Asked for before its revision arrived; `example_id` is promised to the one who asked.
CREATE TABLE pending_examples (
    tenant_id text NOT NULL,
    dataset_id uuid NOT NULL,
    dialog_id text NOT NULL,
    revision bigint NOT NULL,
    example_id uuid NOT NULL,
    asked_by text NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, dialog_id, revision, dataset_id),
    UNIQUE (tenant_id, example_id),
    FOREIGN KEY (tenant_id, dataset_id) REFERENCES datasets (tenant_id, id)
);
SELECT protect_tenant_table('pending_examples');

-- The working copy of an example beside its original; `draft_revision` is the ETag. `origin_…` says which
-- dialog's revision it holds, `origin_count` how many of its messages were taken so far; `copied_…` which
-- example of another agent it was copied from, and which dialog that came of.
CREATE TABLE examples (
    tenant_id text NOT NULL,
    id uuid NOT NULL,
    dataset_id uuid NOT NULL,
    dialog_id text,
    branch text NOT NULL DEFAULT '',
    origin_revision bigint,
    origin_count bigint NOT NULL DEFAULT 0,
    copied_example_id uuid,
    copied_revision bigint,
    copied_dialog_id text,
    source text,
    ratings jsonb NOT NULL DEFAULT '{}',
    rating text GENERATED ALWAYS AS (coalesce(
        ratings -> '' ->> 'owner', ratings -> '' ->> 'operator', ratings -> '' ->> 'client')) STORED,
    note text NOT NULL DEFAULT '',
    tags text[] NOT NULL DEFAULT '{}',
    state text NOT NULL CHECK (state IN ('draft', 'saved', 'removed')),
    removed_from text CHECK (removed_from IN ('draft', 'saved')),
    original jsonb NOT NULL,
    draft jsonb NOT NULL,
    draft_revision bigint NOT NULL DEFAULT 1,
    saved_revision bigint,
    saved_draft bigint,
    teaches int NOT NULL,
    answers int NOT NULL,
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, dataset_id, dialog_id, branch),
    UNIQUE (tenant_id, dataset_id, copied_example_id),
    FOREIGN KEY (tenant_id, dataset_id) REFERENCES datasets (tenant_id, id)
);
CREATE INDEX examples_of_dataset ON examples (tenant_id, dataset_id, id);
CREATE INDEX examples_of_dialog ON examples (tenant_id, dialog_id);
CREATE INDEX examples_copied ON examples (tenant_id, copied_dialog_id) WHERE copied_dialog_id IS NOT NULL;
CREATE INDEX examples_to_expire ON examples (changed_at) WHERE state <> 'saved';
SELECT protect_tenant_table('examples');

-- What changed a working copy, so that a stale editor learns who, what and when.
CREATE TABLE draft_changes (
    tenant_id text NOT NULL,
    example_id uuid NOT NULL,
    draft_revision bigint NOT NULL,
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changes jsonb NOT NULL,
    PRIMARY KEY (tenant_id, example_id, draft_revision),
    FOREIGN KEY (tenant_id, example_id) REFERENCES examples (tenant_id, id) ON DELETE CASCADE
);
SELECT protect_tenant_table('draft_changes');

-- Saved revisions never change. `line` is the messages' part of the training line, ready to write. No foreign
-- key: an example that was removed goes in the end, the revisions that frozen versions hold stay. `dialog_id`
-- is the dialog whose erasure deletes them.
CREATE TABLE example_revisions (
    tenant_id text NOT NULL,
    example_id uuid NOT NULL,
    revision bigint NOT NULL,
    dialog_id text,
    origin_revision bigint,
    origin_count bigint NOT NULL DEFAULT 0,
    messages jsonb NOT NULL,
    line text NOT NULL,
    tokens bigint NOT NULL,
    teaches int NOT NULL,
    answers int NOT NULL,
    saved_by text NOT NULL,
    saved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, example_id, revision)
);
CREATE INDEX example_revisions_of_dialog ON example_revisions (tenant_id, dialog_id) WHERE dialog_id IS NOT NULL;
SELECT protect_tenant_table('example_revisions');

-- A frozen version, or one being frozen: prompt and functions are pinned with the request.
CREATE TABLE dataset_versions (
    tenant_id text NOT NULL,
    dataset_id uuid NOT NULL,
    version bigint NOT NULL,
    state text NOT NULL CHECK (state IN ('freezing', 'ready', 'failed', 'withdrawn')),
    agent_id text NOT NULL,
    agent_version bigint NOT NULL,
    prompt text NOT NULL,
    tools jsonb NOT NULL,
    parallel_tool_calls boolean,
    prompt_fingerprint text NOT NULL,
    -- how it was asked for (mode, share held back, exclusions), and the warnings that stood then
    settings jsonb NOT NULL,
    warnings jsonb NOT NULL,
    examples bigint NOT NULL,
    manifest jsonb,
    failure text,
    epoch bigint NOT NULL DEFAULT 0,
    claimed_until timestamptz NOT NULL DEFAULT '-infinity',
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    ready_at timestamptz,
    -- it held what was erased: its files go, what it held stays on record (ids and hashes)
    withdrawn_at timestamptz,
    files_deleted_at timestamptz,
    PRIMARY KEY (tenant_id, dataset_id, version),
    FOREIGN KEY (tenant_id, dataset_id) REFERENCES datasets (tenant_id, id)
);
CREATE INDEX dataset_versions_to_freeze ON dataset_versions (claimed_until) WHERE state = 'freezing';
CREATE INDEX dataset_versions_withdrawn ON dataset_versions (withdrawn_at)
    WHERE state = 'withdrawn' AND files_deleted_at IS NULL;
SELECT protect_tenant_table('dataset_versions');

-- Which revision of which example a version holds, where in which file it stands, and with which of the
-- agent's versions it is written. No foreign key to revisions: erasure deletes those.
CREATE TABLE version_examples (
    tenant_id text NOT NULL,
    dataset_id uuid NOT NULL,
    version bigint NOT NULL,
    example_id uuid NOT NULL,
    revision bigint NOT NULL,
    part text NOT NULL CHECK (part IN ('training', 'validation')),
    agent_version bigint NOT NULL,
    position bigint NOT NULL,
    content_sha256 bytea NOT NULL,
    PRIMARY KEY (tenant_id, dataset_id, version, example_id),
    FOREIGN KEY (tenant_id, dataset_id, version)
        REFERENCES dataset_versions (tenant_id, dataset_id, version)
);
CREATE INDEX version_examples_in_order
    ON version_examples (tenant_id, dataset_id, version, part, agent_version, position);
CREATE INDEX version_examples_of_example ON version_examples (tenant_id, example_id);
SELECT protect_tenant_table('version_examples');

-- Requests to train; published as dataset.ready once the version is ready.
CREATE TABLE train_requests (
    tenant_id text NOT NULL,
    run_id uuid NOT NULL,
    dataset_id uuid NOT NULL,
    version bigint NOT NULL,
    provider text NOT NULL,
    settings_sha256 text NOT NULL,
    settings jsonb NOT NULL,
    status text,
    is_final boolean NOT NULL DEFAULT false,
    published_at timestamptz,
    asked_by text NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, run_id),
    FOREIGN KEY (tenant_id, dataset_id, version)
        REFERENCES dataset_versions (tenant_id, dataset_id, version)
);
CREATE UNIQUE INDEX train_requests_running
    ON train_requests (tenant_id, dataset_id, version, provider, settings_sha256) WHERE NOT is_final;
SELECT protect_tenant_table('train_requests');

-- migrate:down
DROP TABLE train_requests, version_examples, dataset_versions, example_revisions, draft_changes, examples,
    pending_examples, ratings, candidates, datasets, agents;
