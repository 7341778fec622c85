-- migrate:up

-- A run from its request to its end. `request` is what was asked and never changes; the rest is what
-- the worker that holds the lease (leased_until, epoch) found out and recorded.
CREATE TABLE runs (
    tenant_id text NOT NULL,
    run_id uuid NOT NULL,
    agent_id text NOT NULL,
    dataset_id uuid NOT NULL,
    version bigint NOT NULL,
    provider text NOT NULL,
    settings_sha256 text NOT NULL,
    request jsonb NOT NULL,
    base_url text,
    key_version bigint,

    status text NOT NULL DEFAULT 'unknown'
        CHECK (status IN ('unknown', 'waiting', 'training', 'ready', 'paused', 'failed', 'cancelled')),
    step text NOT NULL DEFAULT 'preparing'
        CHECK (step IN ('preparing', 'uploading', 'creating', 'confirming', 'following')),
    asked text,
    withdrawn boolean NOT NULL DEFAULT false,
    attention jsonb,
    failure jsonb,
    provider_status text,
    job_id text,
    model text,
    checkpoints jsonb,
    progress jsonb,
    trained_tokens bigint,
    cost_microdollars bigint,
    checked_at timestamptz,

    training_file_id text,
    validation_file_id text,
    creating_at timestamptz,           -- when the last create was about to be sent
    empty_lists int NOT NULL DEFAULT 0,
    listed_at timestamptz,             -- when the last empty list that counts was seen
    doubted boolean NOT NULL DEFAULT false,
    litter boolean NOT NULL DEFAULT false, -- files at the provider that a failed run leaves behind

    epoch bigint NOT NULL DEFAULT 0,
    leased_until timestamptz NOT NULL DEFAULT '-infinity',
    claimed_at timestamptz,            -- a run that is made due after this is due again once it is given back
    next_poll_at timestamptz DEFAULT clock_timestamp(),  -- null: nothing is left to do
    poll_no bigint NOT NULL DEFAULT 0,
    applied_poll bigint NOT NULL DEFAULT 0,
    asked_poll_at timestamptz,         -- when an owner last asked for a poll
    failures int NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),

    parent_run_id uuid,                -- the run whose model this one goes on from
    root_model text,                   -- the base model under it, as the catalogue lists it
    price bigint,                      -- micro-dollars per million trained tokens when the run was asked for
    estimate jsonb,                    -- epochs, trained_tokens, low_microdollars, high_microdollars
    wish_result jsonb,                 -- what became of the last wish: {asked, outcome, at}
    finished_at timestamptz,
    files_state text,                  -- its files at the provider: kept, deleted or left (it did not let us)
    files_until timestamptz,           -- when they are to be deleted
    files_tries int NOT NULL DEFAULT 0,

    key_id text NOT NULL GENERATED ALWAYS AS (request ->> 'key_id') STORED,
    -- its job is known and nothing but looking at it is to be done: a follower's; all others are a driver's
    followed boolean NOT NULL GENERATED ALWAYS AS (
        step = 'following' AND NOT doubted AND asked IS NULL
        AND status NOT IN ('ready', 'failed', 'cancelled')
    ) STORED,
    PRIMARY KEY (tenant_id, run_id)
);
SELECT protect_tenant_table('runs');
-- one unfinished run per version, provider and settings
CREATE UNIQUE INDEX runs_one_unfinished ON runs (tenant_id, dataset_id, version, provider, settings_sha256)
    WHERE status NOT IN ('ready', 'failed', 'cancelled');
CREATE INDEX runs_driven ON runs (next_poll_at) WHERE next_poll_at IS NOT NULL AND NOT followed;
CREATE INDEX runs_followed ON runs (next_poll_at) WHERE next_poll_at IS NOT NULL AND followed;
CREATE INDEX runs_of_key ON runs (tenant_id, key_id, next_poll_at) WHERE next_poll_at IS NOT NULL AND followed;
CREATE INDEX runs_of_job ON runs (tenant_id, job_id) WHERE job_id IS NOT NULL;
CREATE INDEX runs_files_due ON runs (files_until) WHERE files_until IS NOT NULL;
CREATE INDEX runs_of_version ON runs (tenant_id, dataset_id, version);
CREATE INDEX runs_of_agent ON runs (tenant_id, agent_id, run_id DESC);

-- What the provider said on the way, as codes and figures.
CREATE TABLE run_events (
    tenant_id text NOT NULL,
    run_id uuid NOT NULL,
    event_id text NOT NULL,
    number bigint GENERATED ALWAYS AS IDENTITY, -- the provider's order: its times are whole seconds
    at timestamptz NOT NULL,
    level text NOT NULL,
    code text NOT NULL,
    data jsonb NOT NULL,
    PRIMARY KEY (tenant_id, run_id, event_id),
    FOREIGN KEY (tenant_id, run_id) REFERENCES runs (tenant_id, run_id)
);
SELECT protect_tenant_table('run_events');
CREATE INDEX run_events_newest ON run_events (tenant_id, run_id, number DESC);

CREATE TABLE withdrawn_versions (
    tenant_id text NOT NULL,
    dataset_id uuid NOT NULL,
    version bigint NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (tenant_id, dataset_id, version)
);
SELECT protect_tenant_table('withdrawn_versions');

-- What agent-svc says of an agent: its base model and its keys (never the keys themselves).
CREATE TABLE agents (
    tenant_id text NOT NULL,
    agent_id text NOT NULL,
    sequence bigint NOT NULL,
    version bigint NOT NULL,
    base_model text NOT NULL,
    provider text NOT NULL,
    fingerprint text NOT NULL,
    keys jsonb NOT NULL,
    PRIMARY KEY (tenant_id, agent_id)
);
SELECT protect_tenant_table('agents');

-- What serves an agent now, as agent-svc says.
CREATE TABLE routes (
    tenant_id text NOT NULL,
    agent_id text NOT NULL,
    route_version bigint NOT NULL,
    activation_id uuid,
    desired jsonb,
    effective jsonb,
    reason text NOT NULL,
    sequence bigint NOT NULL,
    PRIMARY KEY (tenant_id, agent_id)
);
SELECT protect_tenant_table('routes');

-- migrate:down
DROP TABLE routes, agents, withdrawn_versions, run_events, runs;
