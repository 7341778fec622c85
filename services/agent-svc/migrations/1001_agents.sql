-- migrate:up

CREATE TABLE agents (
    tenant_id text NOT NULL,
    agent_id text NOT NULL,
    version bigint NOT NULL,
    name text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, agent_id)
);
SELECT protect_tenant_table('agents');

CREATE TABLE agent_versions (
    tenant_id text NOT NULL,
    agent_id text NOT NULL,
    version bigint NOT NULL,
    definition jsonb NOT NULL,
    fingerprint text NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, agent_id, version),
    FOREIGN KEY (tenant_id, agent_id) REFERENCES agents (tenant_id, agent_id)
);
SELECT protect_tenant_table('agent_versions');

-- What is known of a provider key; the key itself lies sealed in vault.secrets.
CREATE TABLE keys (
    tenant_id text NOT NULL,
    key_id uuid NOT NULL,
    provider text NOT NULL,
    version int NOT NULL,
    fingerprint text NOT NULL,
    last4 text NOT NULL,
    training text NOT NULL DEFAULT 'unverified',
    infer text NOT NULL DEFAULT 'unverified',
    because text,                      -- a code; why it cannot train, or is not taken
    missing_scope text,
    since timestamptz,                 -- when that was first seen
    organisation text,
    variables jsonb NOT NULL DEFAULT '{}', -- what the provider's address needs of the tenant
    checked_at timestamptz,
    check_due timestamptz NOT NULL DEFAULT clock_timestamp(),
    told text NOT NULL DEFAULT '',     -- what agent.updated last said of it
    unbound_at timestamptz,            -- since when no agent uses it
    PRIMARY KEY (tenant_id, key_id),
    UNIQUE (tenant_id, provider, fingerprint)
);
SELECT protect_tenant_table('keys');

CREATE TABLE agent_keys (
    tenant_id text NOT NULL,
    agent_id text NOT NULL,
    provider text NOT NULL,
    key_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, agent_id, provider),
    FOREIGN KEY (tenant_id, agent_id) REFERENCES agents (tenant_id, agent_id),
    FOREIGN KEY (tenant_id, key_id) REFERENCES keys (tenant_id, key_id)
);
SELECT protect_tenant_table('agent_keys');
CREATE INDEX agent_keys_by_key ON agent_keys (tenant_id, key_id);
CREATE INDEX keys_due ON keys (check_due) WHERE unbound_at IS NULL;

-- Sealed provider keys: written here, read here and by training-svc, by nobody else.
CREATE TABLE vault.secrets (
    tenant_id text NOT NULL,
    key_id uuid NOT NULL,
    version int NOT NULL,
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, key_id, version)
);
ALTER TABLE vault.secrets ENABLE ROW LEVEL SECURITY;
ALTER TABLE vault.secrets FORCE ROW LEVEL SECURITY;
CREATE POLICY http ON vault.secrets TO agent_svc_http
    USING (tenant_id = current_setting('app.tenant')) WITH CHECK (tenant_id = current_setting('app.tenant'));
CREATE POLICY worker ON vault.secrets TO agent_svc USING (true) WITH CHECK (true);
CREATE POLICY training ON vault.secrets FOR SELECT TO training_svc USING (true);
CREATE POLICY owner ON vault.secrets TO agent_svc_owner USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON vault.secrets TO agent_svc;
GRANT SELECT, INSERT ON vault.secrets TO agent_svc_http;
REVOKE UPDATE, DELETE ON vault.secrets FROM agent_svc_http;
GRANT SELECT ON vault.secrets TO training_svc;

-- migrate:down
DROP TABLE vault.secrets, agent_keys, keys, agent_versions, agents;
