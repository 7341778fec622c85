-- migrate:up

-- Erasures that took something out of versions which runs were, or were to be, trained on. `reported`: what was
-- last said of one; done once its runs have ended and no file of theirs lies at a provider.
CREATE TABLE erasures (
    tenant_id text NOT NULL,
    erasure_id uuid NOT NULL,
    reported jsonb,
    is_done boolean NOT NULL DEFAULT false,
    told_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    look_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, erasure_id)
);
CREATE INDEX erasures_open ON erasures (look_at) WHERE NOT is_done;
SELECT protect_tenant_table('erasures');

CREATE TABLE erased_versions (
    tenant_id text NOT NULL,
    erasure_id uuid NOT NULL,
    dataset_id uuid NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (tenant_id, erasure_id, dataset_id, version),
    FOREIGN KEY (tenant_id, erasure_id) REFERENCES erasures (tenant_id, erasure_id)
);
SELECT protect_tenant_table('erased_versions');

-- migrate:down
DROP TABLE erased_versions, erasures;
