-- migrate:up

-- Row-level security for one tenant table of this schema. HTTP sees the token's tenant only;
-- consumers and workers write rows of many tenants, each with its event's tenant; the owner
-- (migrations and the definer functions that filter by tenant themselves) sees all.
CREATE FUNCTION protect_tenant_table(tbl regclass) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    svc text := current_schema();
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', tbl);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', tbl);
    EXECUTE format(
        'CREATE POLICY http ON %s TO %I USING (tenant_id = current_setting(''app.tenant'')) WITH CHECK (tenant_id = current_setting(''app.tenant''))',
        tbl, svc || '_http');
    EXECUTE format('CREATE POLICY worker ON %s TO %I USING (true) WITH CHECK (true)', tbl, svc);
    EXECUTE format('CREATE POLICY owner ON %s TO %I USING (true) WITH CHECK (true)', tbl, svc || '_owner');
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO %I, %I', tbl, svc, svc || '_http');
END $$;

-- migrate:down
DROP FUNCTION protect_tenant_table(regclass);
