-- migrate:up

-- All that the gateway needs to answer one request, in one round trip. It runs with the caller's rights: the
-- tenant is set for row-level security in the transaction that this one statement is.
CREATE FUNCTION plan_answer(tenant text, agent text) RETURNS TABLE (
    version bigint, definition jsonb, fingerprint text, updated_at timestamptz, effective jsonb,
    key_ids uuid[], providers text[], key_versions int[], sealed bytea[]
) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
BEGIN
    PERFORM set_config('app.tenant', tenant, true);
    RETURN QUERY
    SELECT a.version, v.definition, v.fingerprint, a.updated_at, r.effective,
           k.key_ids, k.providers, k.key_versions, k.sealed
    FROM agents a
    JOIN agent_versions v ON v.tenant_id = a.tenant_id AND v.agent_id = a.agent_id AND v.version = a.version
    LEFT JOIN LATERAL (
        SELECT o.effective FROM routes o WHERE o.tenant_id = a.tenant_id AND o.agent_id = a.agent_id
        ORDER BY o.route_version DESC LIMIT 1
    ) r ON true
    CROSS JOIN LATERAL (
        SELECT array_agg(k.key_id) AS key_ids, array_agg(k.provider) AS providers,
               array_agg(k.version) AS key_versions, array_agg(s.sealed) AS sealed
        FROM keys k
        JOIN vault.secrets s ON s.tenant_id = k.tenant_id AND s.key_id = k.key_id AND s.version = k.version
        WHERE k.tenant_id = a.tenant_id AND (
            k.key_id IN (SELECT b.key_id FROM agent_keys b
                         WHERE b.tenant_id = a.tenant_id AND b.agent_id = a.agent_id)
            OR k.key_id IN (SELECT (t->>'key_id')::uuid FROM jsonb_array_elements(r.effective->'targets') t)
        )
    ) k
    WHERE a.tenant_id = tenant AND a.agent_id = agent;
END $$;
DO $$ BEGIN
    EXECUTE format('GRANT EXECUTE ON FUNCTION plan_answer TO %I', current_schema() || '_http');
    EXECUTE format('REVOKE EXECUTE ON FUNCTION plan_answer FROM PUBLIC');
END $$;

-- migrate:down
DROP FUNCTION plan_answer;
