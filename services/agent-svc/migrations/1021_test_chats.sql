-- migrate:up

-- A dialog in which the owner imitates a client: a tree of messages, asked of one or two models side by side.
-- `columns` says of whom, `active` holds the last message of each column's remembered branch.
CREATE TABLE test_chats (
    tenant_id text NOT NULL,
    dialog_id uuid NOT NULL,
    agent_id text NOT NULL,
    title text NOT NULL,
    columns jsonb NOT NULL,
    active jsonb NOT NULL,
    next_position int NOT NULL DEFAULT 0,
    revision bigint NOT NULL DEFAULT 1,
    published_leaf uuid,               -- the newest message in chat.events: what comes next goes on from it
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, dialog_id),
    FOREIGN KEY (tenant_id, agent_id) REFERENCES agents (tenant_id, agent_id)
);
SELECT protect_tenant_table('test_chats');
CREATE INDEX test_chats_of_agent ON test_chats (tenant_id, agent_id, dialog_id DESC);

CREATE TABLE test_messages (
    tenant_id text NOT NULL,
    dialog_id uuid NOT NULL,
    message_id uuid NOT NULL,
    parent_id uuid,
    position int NOT NULL,
    "column" int,                      -- null: shared by both
    role text NOT NULL CHECK (role IN ('user', 'assistant', 'tool')),
    content text,
    tool_calls jsonb NOT NULL DEFAULT '[]',
    tool_call_id text,
    hint jsonb NOT NULL DEFAULT '[]',
    first_content text,                -- of one's own message: its words as first sent
    edited_id uuid,                    -- the message that this one replaces
    model text,
    agent_version bigint,
    status text NOT NULL CHECK (status IN ('said', 'asking', 'answered', 'failed')),
    attempt int NOT NULL DEFAULT 1,
    error text,                        -- a code
    branch uuid,                       -- of chat.events
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, dialog_id, message_id),
    FOREIGN KEY (tenant_id, dialog_id) REFERENCES test_chats (tenant_id, dialog_id) ON DELETE CASCADE
);
SELECT protect_tenant_table('test_messages');

-- What functions really answered in live dialogs, the newest for each of their arguments.
CREATE TABLE function_answers (
    tenant_id text NOT NULL,
    agent_id text NOT NULL,
    name text NOT NULL,
    arguments_sha256 text NOT NULL,
    content text NOT NULL,
    dialog_id text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, agent_id, name, arguments_sha256)
);
SELECT protect_tenant_table('function_answers');
CREATE INDEX function_answers_newest ON function_answers (tenant_id, agent_id, name, at DESC);
CREATE INDEX function_answers_of_dialog ON function_answers (tenant_id, dialog_id);
CREATE INDEX function_answers_old ON function_answers (at);

-- migrate:down
DROP TABLE function_answers, test_messages, test_chats;
