-- migrate:up

ALTER TABLE runs
    ADD COLUMN parent_run_id uuid,     -- the run whose model this one goes on from
    ADD COLUMN root_model text,        -- the base model under it, as the catalogue lists it
    ADD COLUMN price bigint,           -- micro-dollars per million trained tokens when the run was asked for
    ADD COLUMN estimate jsonb,         -- epochs, trained_tokens, low_microdollars, high_microdollars
    ADD COLUMN wish_result jsonb,      -- what became of the last wish: {asked, outcome, at}
    ADD COLUMN finished_at timestamptz,
    ADD COLUMN files_state text,       -- its files at the provider: kept, deleted or left (it did not let us)
    ADD COLUMN files_until timestamptz, -- when they are to be deleted
    ADD COLUMN files_tries int NOT NULL DEFAULT 0;
CREATE INDEX runs_files_due ON runs (files_until) WHERE files_until IS NOT NULL;
CREATE INDEX runs_of_version ON runs (tenant_id, dataset_id, version);

-- Models that can be put into service: of ready runs, their checkpoints, and those registered by hand.
CREATE TABLE models (
    tenant_id text NOT NULL,
    model_id uuid NOT NULL,            -- of a run's last model: the run's id
    agent_id text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('final', 'checkpoint', 'registered')),
    provider text NOT NULL,
    name text NOT NULL,                -- what the provider is asked for
    base_model text NOT NULL,
    key_id uuid NOT NULL,
    run_id uuid,
    step bigint,
    metrics jsonb,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, model_id),
    UNIQUE (tenant_id, provider, name, agent_id),
    FOREIGN KEY (tenant_id, run_id) REFERENCES runs (tenant_id, run_id)
);
SELECT protect_tenant_table('models');
CREATE INDEX models_of_agent ON models (tenant_id, agent_id, created_at DESC, model_id DESC);
CREATE INDEX models_of_run ON models (tenant_id, run_id);

-- The curves of a run, a row a step: from its diary while it trains, from its result file in the end.
CREATE TABLE run_metrics (
    tenant_id text NOT NULL,
    run_id uuid NOT NULL,
    step bigint NOT NULL,
    figures jsonb NOT NULL,
    PRIMARY KEY (tenant_id, run_id, step),
    FOREIGN KEY (tenant_id, run_id) REFERENCES runs (tenant_id, run_id)
);
SELECT protect_tenant_table('run_metrics');

-- migrate:down
DROP TABLE run_metrics, models;
DROP INDEX runs_files_due, runs_of_version;
ALTER TABLE runs
    DROP COLUMN parent_run_id, DROP COLUMN root_model, DROP COLUMN price, DROP COLUMN estimate,
    DROP COLUMN wish_result, DROP COLUMN finished_at, DROP COLUMN files_state, DROP COLUMN files_until,
    DROP COLUMN files_tries;
