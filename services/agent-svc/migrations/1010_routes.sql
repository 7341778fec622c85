-- migrate:up

-- What serves each agent now. Whoever changes it holds this row: one writer per agent. `desired` is what the owner
-- wants, null for the base model; `effective` is that with the fallback in place of targets that are out.
CREATE TABLE route_heads (
    tenant_id text NOT NULL,
    agent_id text NOT NULL,
    route_version bigint NOT NULL DEFAULT 0,
    entry bigint NOT NULL DEFAULT 0,
    activation_id uuid,
    desired jsonb,
    effective jsonb,
    retiring jsonb NOT NULL DEFAULT '[]',
    reason text,
    by text,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, agent_id)
);
SELECT protect_tenant_table('route_heads');

-- Everything that was ever said of an agent's route, rejected activations too. A version is a change of `desired`;
-- entries of the same version tell of failovers, recoveries and warnings.
CREATE TABLE route_history (
    tenant_id text NOT NULL,
    agent_id text NOT NULL,
    entry bigint NOT NULL,
    route_version bigint NOT NULL,
    activation_id uuid,
    desired jsonb,
    effective jsonb,
    reason text NOT NULL,
    by text NOT NULL,
    why text,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, agent_id, entry)
);
SELECT protect_tenant_table('route_history');
CREATE UNIQUE INDEX route_versions ON route_history (tenant_id, agent_id, route_version)
    WHERE reason IN ('activated', 'rolled_back');

-- Targets that the fallback stands in for, and when the provider is asked again.
CREATE TABLE outages (
    tenant_id text NOT NULL,
    agent_id text NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    key_id uuid NOT NULL,
    code text NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    passed int NOT NULL DEFAULT 0,
    pause double precision NOT NULL,
    next_probe_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, agent_id, provider, model, key_id),
    FOREIGN KEY (tenant_id, agent_id) REFERENCES route_heads (tenant_id, agent_id)
);
SELECT protect_tenant_table('outages');
CREATE INDEX outages_due ON outages (next_probe_at);

-- Models that training finished, by the name to ask for: young ones may answer 404 for minutes.
CREATE TABLE trained_models (
    tenant_id text NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    ready_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, provider, model)
);
SELECT protect_tenant_table('trained_models');

-- The day on which a model ends, as the provider says, and when it was asked.
CREATE TABLE model_dates (
    tenant_id text NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    ends_on date,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, provider, model)
);
SELECT protect_tenant_table('model_dates');

-- Which warnings were given: each of them once, again when the day moves.
CREATE TABLE retirement_warnings (
    tenant_id text NOT NULL,
    agent_id text NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    ends_on date NOT NULL,
    days int NOT NULL,
    PRIMARY KEY (tenant_id, agent_id, provider, model, ends_on, days)
);
SELECT protect_tenant_table('retirement_warnings');

-- migrate:down
DROP TABLE retirement_warnings, model_dates, trained_models, outages, route_history, route_heads;
