-- migrate:up

-- Intake updates a dialog with each batch: no index but the keys, so that the update stays on its page.
-- What people list and filter by is in `listings`, which a worker brings up to date.
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
    partition int NOT NULL DEFAULT -1,  -- of chat.events, that its newest message came from
    heard_at timestamptz NOT NULL DEFAULT 'epoch',  -- when its newest message was said
    shelf int NOT NULL,        -- where its text lies: retention class and month, see shelves
    unlisted_since timestamptz DEFAULT clock_timestamp(),  -- null: listings shows this state
    PRIMARY KEY (tenant_id, dialog_id)
) WITH (fillfactor = 75);
SELECT protect_tenant_table('dialogs');
CREATE INDEX dialogs_unlisted ON dialogs (unlisted_since) WHERE unlisted_since IS NOT NULL;
CREATE INDEX dialogs_shelf ON dialogs (shelf);

-- No foreign key to dialogs: intake makes and locks the dialog's row in the same transaction, and the
-- check would cost seven times the insert, for it walks the versions that each batch leaves of that row.
-- A tree: a replacement hangs from the parent of what it replaces, so the old branch stays readable.
-- All messages of a dialog lie on its shelf, so the key guards a message's id although it names the shelf.
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
    shelf int NOT NULL,
    PRIMARY KEY (tenant_id, dialog_id, message_id, shelf),
    UNIQUE (tenant_id, dialog_id, position, shelf)
) PARTITION BY LIST (shelf);
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

-- Newest time of an event taken from each partition of chat.events, noted with the batch: by it a dialog is
-- silent.
CREATE TABLE clocks (
    partition int PRIMARY KEY,
    newest timestamptz NOT NULL
);
DO $$ BEGIN
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON clocks TO %I', current_schema());
END $$;

-- What dialog-svc needs to know of an agent.
CREATE TABLE agents (
    tenant_id text NOT NULL,
    agent_id text NOT NULL,
    version bigint NOT NULL,
    idle_seconds bigint NOT NULL,
    PRIMARY KEY (tenant_id, agent_id)
);
SELECT protect_tenant_table('agents');

-- Dialogs that are in the dataset.
CREATE TABLE members (
    tenant_id text NOT NULL,
    dialog_id text NOT NULL,
    PRIMARY KEY (tenant_id, dialog_id)
);
SELECT protect_tenant_table('members');

-- Last revision of dialogs whose text is gone: should one go on, its revisions do too.
CREATE TABLE retired (
    tenant_id text NOT NULL,
    dialog_id text NOT NULL,
    revision int NOT NULL,
    PRIMARY KEY (tenant_id, dialog_id)
);
SELECT protect_tenant_table('retired');

-- migrate:down
DROP TABLE retired, members, agents, clocks, ratings, revisions, messages, dialogs;
