-- migrate:up

-- An address to which a provider reports: its random id (128 bits) stands in the address and selects the tenant
-- and the secret by which a report's signature is checked. Sealed like a key, tied to tenant, hook and version.
CREATE TABLE webhooks (
    tenant_id text NOT NULL,
    hook_id uuid NOT NULL,
    provider text NOT NULL,
    version int NOT NULL DEFAULT 0,    -- of the secret; 0: none was given yet
    sealed bytea,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    reported_at timestamptz,           -- when a report with a good signature last came
    PRIMARY KEY (tenant_id, hook_id)
);
SELECT protect_tenant_table('webhooks');
CREATE INDEX webhooks_hook ON webhooks (hook_id);

-- The reports that had their effect: one that comes again has none. Kept for as long as providers try again.
CREATE TABLE webhook_reports (
    tenant_id text NOT NULL,
    hook_id uuid NOT NULL,
    report_id text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, hook_id, report_id),
    FOREIGN KEY (tenant_id, hook_id) REFERENCES webhooks (tenant_id, hook_id) ON DELETE CASCADE
);
SELECT protect_tenant_table('webhook_reports');
CREATE INDEX webhook_reports_at ON webhook_reports (at);

-- Who a report is for, before anything of it is believed: the caller has no token, only the hook.
CREATE FUNCTION find_webhook(hook uuid) RETURNS TABLE (tenant_id text, provider text, version int, sealed bytea)
LANGUAGE sql STABLE SECURITY DEFINER AS $$
    SELECT w.tenant_id, w.provider, w.version, w.sealed FROM webhooks w WHERE w.hook_id = hook
$$;
DO $$ BEGIN
    EXECUTE format('ALTER FUNCTION find_webhook SET search_path = %I, pg_temp', current_schema());
    EXECUTE 'REVOKE EXECUTE ON FUNCTION find_webhook FROM PUBLIC';
    EXECUTE format('GRANT EXECUTE ON FUNCTION find_webhook TO %I', current_schema() || '_http');
END $$;

-- migrate:down
DROP FUNCTION find_webhook;
DROP TABLE webhook_reports, webhooks;
