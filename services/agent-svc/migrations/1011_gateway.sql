-- migrate:up

-- Who asks how fast: one row a tenant, the moment from which its next request is within the rate (GCRA). Not logged:
-- after a crash everyone begins afresh.
CREATE UNLOGGED TABLE request_rates (
    tenant_id text NOT NULL PRIMARY KEY,
    free_at timestamptz NOT NULL
);
SELECT protect_tenant_table('request_rates');

-- Requests of dialogs that are being answered, numbered as they came: what is recorded keeps that order on every
-- instance. One whose instance died holds the others up until its time is over. Not logged, as above.
CREATE UNLOGGED TABLE turns (
    tenant_id text NOT NULL,
    dialog_id text NOT NULL,
    turn bigint GENERATED ALWAYS AS IDENTITY,
    until timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, dialog_id, turn)
);
SELECT protect_tenant_table('turns');
CREATE INDEX turns_over ON turns (until);

-- Dialogs that the gateway records: whoever adds to one holds its row.
CREATE TABLE recorded_dialogs (
    tenant_id text NOT NULL,
    dialog_id text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, dialog_id)
);
SELECT protect_tenant_table('recorded_dialogs');
CREATE INDEX recorded_dialogs_at ON recorded_dialogs (at);

-- Which answer follows a request's last message now. No text: ids and hashes.
CREATE TABLE recorded_turns (
    tenant_id text NOT NULL,
    dialog_id text NOT NULL,
    question_id text NOT NULL,
    answer_id text,
    answer_hash text,
    PRIMARY KEY (tenant_id, dialog_id, question_id),
    FOREIGN KEY (tenant_id, dialog_id) REFERENCES recorded_dialogs (tenant_id, dialog_id) ON DELETE CASCADE
);
SELECT protect_tenant_table('recorded_turns');

-- All that the gateway needs to answer one request, in one round trip. It runs with the caller's rights: the
-- tenant is set for row-level security in the transaction that this one statement is. `known` is the agent's version
-- that the caller has already; its definition is not sent again. `dialog` null takes no turn, `per_minute` 0 no rate.
-- The keys are those that the agent has now, at most one a provider: who replaced a key wants the new one asked.
-- `wait` says how many seconds the tenant is ahead of its rate; nothing else is filled in then.
CREATE FUNCTION plan_answer(tenant text, agent text, known bigint, dialog text, hold interval, per_minute int)
RETURNS TABLE (
    wait double precision, turn bigint, version bigint, definition jsonb, fingerprint text, updated_at timestamptz,
    route_version bigint, effective jsonb, key_ids uuid[], providers text[], key_versions int[], variables jsonb[], sealed bytea[]
) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
    instant timestamptz := clock_timestamp();
    step interval;
    free timestamptz;
    my_turn bigint;
BEGIN
    PERFORM set_config('app.tenant', tenant, true);
    IF per_minute > 0 THEN
        step := interval '1 minute' / per_minute;
        INSERT INTO request_rates AS r (tenant_id, free_at) VALUES (tenant, instant + step)
        ON CONFLICT (tenant_id) DO UPDATE SET free_at = greatest(r.free_at, instant) + step
        WHERE r.free_at <= instant + interval '1 minute' - step
        RETURNING r.free_at INTO free;
        IF free IS NULL THEN
            SELECT r.free_at INTO free FROM request_rates r WHERE r.tenant_id = tenant;
            wait := greatest(extract(epoch FROM free - interval '1 minute' + step - instant), 0.001);
            RETURN NEXT;
            RETURN;
        END IF;
    END IF;
    IF dialog IS NOT NULL
       AND EXISTS (SELECT FROM agents a WHERE a.tenant_id = tenant AND a.agent_id = agent) THEN
        INSERT INTO turns AS t (tenant_id, dialog_id, until) VALUES (tenant, dialog, instant + hold)
        RETURNING t.turn INTO my_turn;
    END IF;
    RETURN QUERY
    SELECT 0::double precision, my_turn, a.version, v.definition, v.fingerprint, a.updated_at,
           coalesce(h.route_version, 0), h.effective, k.key_ids, k.providers, k.key_versions, k.variables, k.sealed
    FROM agents a
    LEFT JOIN agent_versions v ON a.version <> known
        AND v.tenant_id = a.tenant_id AND v.agent_id = a.agent_id AND v.version = a.version
    LEFT JOIN route_heads h ON h.tenant_id = a.tenant_id AND h.agent_id = a.agent_id
    CROSS JOIN LATERAL (
        SELECT array_agg(k.key_id) AS key_ids, array_agg(k.provider) AS providers,
               array_agg(k.version) AS key_versions, array_agg(k.variables) AS variables, array_agg(s.sealed) AS sealed
        FROM agent_keys b
        JOIN keys k ON k.tenant_id = b.tenant_id AND k.key_id = b.key_id
        JOIN vault.secrets s ON s.tenant_id = k.tenant_id AND s.key_id = k.key_id AND s.version = k.version
        WHERE b.tenant_id = a.tenant_id AND b.agent_id = a.agent_id
    ) k
    WHERE a.tenant_id = tenant AND a.agent_id = agent;
END $$;
DO $$ BEGIN
    EXECUTE format('GRANT EXECUTE ON FUNCTION plan_answer TO %I', current_schema() || '_http');
    EXECUTE format('REVOKE EXECUTE ON FUNCTION plan_answer FROM PUBLIC');
END $$;

-- migrate:down
DROP FUNCTION plan_answer;
DROP TABLE recorded_turns, recorded_dialogs, turns, request_rates;
