-- migrate:up

-- What went with an erased dialog: what is reported of it.
CREATE TABLE erasures (
    tenant_id text NOT NULL,
    erasure_id uuid NOT NULL,
    removed jsonb NOT NULL,
    examples uuid[] NOT NULL,
    erased_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, erasure_id)
);
SELECT protect_tenant_table('erasures');

-- `told`: a report of the erasure says that the version's files are gone.
CREATE TABLE erased_versions (
    tenant_id text NOT NULL,
    erasure_id uuid NOT NULL,
    dataset_id uuid NOT NULL,
    version bigint NOT NULL,
    told boolean NOT NULL DEFAULT false,
    PRIMARY KEY (tenant_id, erasure_id, dataset_id, version),
    FOREIGN KEY (tenant_id, erasure_id) REFERENCES erasures (tenant_id, erasure_id),
    FOREIGN KEY (tenant_id, dataset_id, version) REFERENCES dataset_versions (tenant_id, dataset_id, version)
);
CREATE INDEX erased_versions_to_tell ON erased_versions (tenant_id, dataset_id, version) WHERE NOT told;
SELECT protect_tenant_table('erased_versions');

-- migrate:down
DROP TABLE erased_versions, erasures;
