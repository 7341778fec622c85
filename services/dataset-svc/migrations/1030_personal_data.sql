-- migrate:up

-- Values that are no finding in a dataset: the owner's own hotline, a shop's address. They are kept as they are
-- written, so that somebody can tell what was allowed: they are not a person's, and a hash of ten digits hides
-- nothing. `value` is the one spelling that all others are brought to.
CREATE TABLE allowed_values (
    tenant_id text NOT NULL,
    dataset_id uuid NOT NULL,
    id uuid NOT NULL,
    kind text NOT NULL,
    value text NOT NULL,
    written text NOT NULL,
    why text NOT NULL,
    allowed_by text NOT NULL,
    allowed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, dataset_id, id),
    UNIQUE (tenant_id, dataset_id, kind, value),
    FOREIGN KEY (tenant_id, dataset_id) REFERENCES datasets (tenant_id, id)
);
SELECT protect_tenant_table('allowed_values');

-- Which detectors looked through a copy: newer ones look again before it is frozen.
ALTER TABLE example_checks ADD COLUMN scan_version int NOT NULL DEFAULT 0;
-- squawk-ignore require-concurrent-index-creation -- no release holds rows of this table yet
CREATE INDEX example_checks_by_scan ON example_checks (tenant_id, dataset_id, scan_version);

-- migrate:down
DROP INDEX example_checks_by_scan;
ALTER TABLE example_checks DROP COLUMN scan_version;
DROP TABLE allowed_values;
