-- migrate:up

-- Which dialog a saved example came of, as the HMAC that a tombstone holds: it outlasts the dialog's erasure, so
-- that its id still leads to all that it touched. Written with each saved revision; copies name the dialog too.
CREATE TABLE example_origins (
    tenant_id text NOT NULL,
    dialog_hmac bytea NOT NULL,
    example_id uuid NOT NULL,
    dataset_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, dialog_hmac, example_id)
);
CREATE INDEX example_origins_of_example ON example_origins (tenant_id, example_id);
SELECT protect_tenant_table('example_origins');

-- What training.status said of the run last.
ALTER TABLE train_requests ADD COLUMN run jsonb;

-- Models that runs made: the final one has no step, checkpoints have.
CREATE TABLE run_models (
    tenant_id text NOT NULL,
    run_id uuid NOT NULL,
    provider text NOT NULL,
    model text NOT NULL,
    step bigint,
    heard_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, run_id, model),
    FOREIGN KEY (tenant_id, run_id) REFERENCES train_requests (tenant_id, run_id)
);
CREATE INDEX run_models_by_name ON run_models (tenant_id, model, provider);
SELECT protect_tenant_table('run_models');

-- What served an agent, a row for each version of its route, and activations that were rejected. `id` is that of
-- the activation, or agent:route_version where no activation made the route (a rollback). `now_…` is what was
-- said of the route last: a failover changes that, not the route.
CREATE TABLE activations (
    tenant_id text NOT NULL,
    id text NOT NULL,
    agent_id text NOT NULL,
    route_version bigint NOT NULL,
    reason text NOT NULL,
    because text,
    route jsonb,
    began_at timestamptz NOT NULL,
    ended_at timestamptz,
    now_reason text NOT NULL,
    now_because text,
    now_since timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE UNIQUE INDEX activations_by_version ON activations (tenant_id, agent_id, route_version)
    WHERE reason <> 'rejected';
SELECT protect_tenant_table('activations');

-- The models that a route names; `serves` tells which answer now, a fallback's stand-in included.
CREATE TABLE activation_models (
    tenant_id text NOT NULL,
    activation_id text NOT NULL,
    number int NOT NULL,
    role text NOT NULL CHECK (role IN ('target', 'fallback')),
    provider text NOT NULL,
    model text NOT NULL,
    run_id uuid,
    share double precision,
    serves boolean NOT NULL,
    PRIMARY KEY (tenant_id, activation_id, number),
    FOREIGN KEY (tenant_id, activation_id) REFERENCES activations (tenant_id, id)
);
CREATE INDEX activation_models_by_name ON activation_models (tenant_id, model, provider);
SELECT protect_tenant_table('activation_models');

-- migrate:down
DROP TABLE activation_models, activations, run_models, example_origins;
ALTER TABLE train_requests DROP COLUMN run;
