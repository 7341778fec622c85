-- migrate:up

-- What was done to examples by one call, so that one call can undo it: SAVE, removing, bulk changes, imports.
-- `position` is how far an import has come. The one served longest ago has the next turn.
CREATE TABLE operations (
    tenant_id text NOT NULL,
    id uuid NOT NULL,
    dataset_id uuid NOT NULL,
    action text NOT NULL,
    arguments jsonb NOT NULL DEFAULT '{}',
    state text NOT NULL CHECK (state IN ('running', 'done', 'refused', 'undoing', 'undone')),
    total bigint NOT NULL DEFAULT 0,
    done bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0,
    undone bigint NOT NULL DEFAULT 0,
    kept bigint NOT NULL DEFAULT 0,
    position jsonb NOT NULL DEFAULT '{}',
    asked_by text NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    undone_by text,
    finished_at timestamptz,
    served_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, dataset_id) REFERENCES datasets (tenant_id, id)
);
CREATE INDEX operations_of_dataset ON operations (tenant_id, dataset_id, id);
CREATE INDEX operations_to_serve ON operations (served_at) WHERE state IN ('running', 'undoing');
SELECT protect_tenant_table('operations');

-- The examples of an operation: what it changed in each, before and after. Erasure deletes them.
CREATE TABLE operation_items (
    tenant_id text NOT NULL,
    operation_id uuid NOT NULL,
    example_id uuid NOT NULL,
    state text NOT NULL CHECK (state IN ('waiting', 'done', 'failed', 'undone', 'kept')),
    before jsonb NOT NULL DEFAULT '{}',
    after jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, operation_id, example_id),
    FOREIGN KEY (tenant_id, operation_id) REFERENCES operations (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX operation_items_by_state ON operation_items (tenant_id, operation_id, state, example_id);
CREATE INDEX operation_items_of_example ON operation_items (tenant_id, example_id);
SELECT protect_tenant_table('operation_items');

-- What an operation could not do: `place` is the line of an import, else a running number.
CREATE TABLE operation_failures (
    tenant_id text NOT NULL,
    operation_id uuid NOT NULL,
    place bigint NOT NULL,
    example_id uuid,
    code text NOT NULL,
    field text,
    message_id text,
    detail_en text NOT NULL,
    detail_ru text NOT NULL,
    PRIMARY KEY (tenant_id, operation_id, place),
    FOREIGN KEY (tenant_id, operation_id) REFERENCES operations (tenant_id, id) ON DELETE CASCADE
);
SELECT protect_tenant_table('operation_failures');

-- migrate:down
DROP TABLE operation_failures, operation_items, operations;
