-- migrate:up

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
