-- migrate:up

CREATE TABLE dialogs (
    tenant_id text NOT NULL,
    dialog_id text NOT NULL,
    agent_id text NOT NULL,
    source text NOT NULL,
    channel text,
    client text,
    started_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    ended_at timestamptz,
    outcome text,
    rating text,
    message_count int NOT NULL DEFAULT 0,
    next_position int NOT NULL DEFAULT 0,
    leaf_id text,              -- last message of the active branch
    branch text,               -- message that began the active branch; null: the first one
    revision int NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant_id, dialog_id)
);
SELECT protect_tenant_table('dialogs');
CREATE INDEX dialogs_newest ON dialogs (tenant_id, agent_id, last_at DESC, dialog_id DESC);

-- No foreign key to dialogs: intake makes and locks the dialog's row in the same transaction, and the
-- check would cost seven times the insert, for it walks the versions that each batch leaves of that row.
-- A tree: a replacement hangs from the parent of what it replaces, so the old branch stays readable.
CREATE TABLE messages (
    tenant_id text NOT NULL,
    dialog_id text NOT NULL,
    message_id text NOT NULL,
    position int NOT NULL,
    parent_id text,
    branch text,
    role text NOT NULL,
    agent_version bigint,
    message jsonb NOT NULL,
    PRIMARY KEY (tenant_id, dialog_id, message_id),
    UNIQUE (tenant_id, dialog_id, position)
);
SELECT protect_tenant_table('messages');

-- Each transcript that was published: a leaf is published under one revision only.
CREATE TABLE revisions (
    tenant_id text NOT NULL,
    dialog_id text NOT NULL,
    revision int NOT NULL,
    leaf_id text NOT NULL,
    reason text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, dialog_id, revision),
    UNIQUE (tenant_id, dialog_id, leaf_id),
    FOREIGN KEY (tenant_id, dialog_id) REFERENCES dialogs (tenant_id, dialog_id)
);
SELECT protect_tenant_table('revisions');

CREATE TABLE ratings (
    tenant_id text NOT NULL,
    dialog_id text NOT NULL,
    rated text NOT NULL,       -- message id, or empty for the whole dialog
    rater text NOT NULL,
    rating text NOT NULL,
    comment text,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, dialog_id, rated, rater)
);
SELECT protect_tenant_table('ratings');

-- migrate:down
DROP TABLE ratings, revisions, messages, dialogs;
