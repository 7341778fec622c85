-- migrate:up

-- What training.status says of runs: which keys they hold, and which version of the agent a model was taught.
CREATE TABLE runs (
    tenant_id text NOT NULL,
    run_id uuid NOT NULL,
    agent_id text NOT NULL,
    agent_version bigint NOT NULL,
    prompt_fingerprint text NOT NULL,
    base_model text NOT NULL,
    provider text NOT NULL,
    key_id uuid NOT NULL,
    status text NOT NULL,
    job_seen boolean NOT NULL,
    refusal text,
    model text,
    models text[] NOT NULL DEFAULT '{}',
    dataset_id uuid NOT NULL,
    dataset_version bigint NOT NULL,
    PRIMARY KEY (tenant_id, run_id)
);
SELECT protect_tenant_table('runs');
CREATE INDEX runs_of_agent ON runs (tenant_id, agent_id, run_id DESC);
CREATE INDEX runs_unfinished ON runs (tenant_id, key_id) WHERE status NOT IN ('ready', 'failed', 'cancelled');

-- migrate:down
DROP TABLE runs;
