-- migrate:up

-- Dialogs as they are listed, filtered, sorted and counted; brought up to date by a worker.
CREATE TABLE listings (
    tenant_id text NOT NULL,
    dialog_id text NOT NULL,
    shelf int NOT NULL,
    agent_id text NOT NULL,
    source text NOT NULL,
    channel text,
    outcome text,
    rating text,
    open boolean NOT NULL,
    started_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    heard_at timestamptz NOT NULL,
    partition int NOT NULL,
    message_count int NOT NULL,
    revision int NOT NULL,
    models text[] NOT NULL,        -- that answered in it, in any branch
    has_functions boolean NOT NULL,
    in_dataset boolean NOT NULL,
    indexed_to int NOT NULL,       -- first position whose words are not in its search document
    PRIMARY KEY (tenant_id, dialog_id)
);
SELECT protect_tenant_table('listings');
CREATE INDEX listings_last_at ON listings (tenant_id, last_at, dialog_id);
CREATE INDEX listings_agent_last_at ON listings (tenant_id, agent_id, last_at, dialog_id);
CREATE INDEX listings_message_count ON listings (tenant_id, message_count, dialog_id);
CREATE INDEX listings_agent_message_count ON listings (tenant_id, agent_id, message_count, dialog_id);
CREATE INDEX listings_silent ON listings (heard_at) WHERE open;
-- One index for every combination of filters. Here and below a worker writes and people wait for reads,
-- so nothing is put off to a list that each read would have to go through (fastupdate).
CREATE INDEX listings_filters ON listings USING gin (
    tenant_id, agent_id, source, channel, outcome, rating, models, has_functions, in_dataset
) WITH (fastupdate = off);

-- Values that a filter of these listings can have; labels, no text.
CREATE TABLE listed_values (
    tenant_id text NOT NULL,
    agent_id text NOT NULL,
    field text NOT NULL CHECK (field IN ('channel', 'outcome', 'model')),
    value text NOT NULL,
    PRIMARY KEY (tenant_id, agent_id, field, value)
);
SELECT protect_tenant_table('listed_values');

-- The words of a dialog, stemmed, and its numbers; one document a dialog.
CREATE TABLE search_documents (
    tenant_id text NOT NULL,
    dialog_id text NOT NULL,
    shelf int NOT NULL,
    words tsvector NOT NULL,
    PRIMARY KEY (tenant_id, dialog_id, shelf)
) PARTITION BY LIST (shelf);
SELECT protect_tenant_table('search_documents');
CREATE INDEX search_documents_words ON search_documents USING gin (tenant_id, words)
    WITH (fastupdate = off);

-- Each word of a tenant's documents: what a mistyped one may have meant, and which numbers hold a part.
CREATE TABLE vocabulary (
    tenant_id text NOT NULL,
    word text NOT NULL,
    shelf int NOT NULL,
    PRIMARY KEY (tenant_id, word, shelf)
) PARTITION BY LIST (shelf);
SELECT protect_tenant_table('vocabulary');
CREATE INDEX vocabulary_similar ON vocabulary USING gin (tenant_id, word gin_trgm_ops)
    WITH (fastupdate = off);

-- Under row-level security @>, @@, % and LIKE cannot use an index, for they are not leakproof. So the HTTP
-- role asks these functions, which run as the owner and filter by the caller's tenant themselves. Plans
-- are made anew for each call: what was not asked for falls out of the condition, and the order by which
-- to read is known.
CREATE FUNCTION matching_dialogs(filter jsonb) RETURNS SETOF listings LANGUAGE sql STABLE AS $$
    SELECT l.* FROM listings l
    WHERE l.tenant_id = current_setting('app.tenant')
      AND (filter->>'agent_id' IS NULL OR l.agent_id = filter->>'agent_id')
      AND (filter->>'source' IS NULL OR l.source = filter->>'source')
      AND (filter->>'channel' IS NULL OR l.channel = filter->>'channel')
      AND (filter->>'outcome' IS NULL OR l.outcome = filter->>'outcome')
      AND (filter->>'rating' IS NULL OR l.rating = filter->>'rating')
      AND (filter->>'model' IS NULL OR l.models @> ARRAY[filter->>'model'])
      AND (filter->>'has_functions' IS NULL OR l.has_functions = (filter->>'has_functions')::boolean)
      AND (filter->>'in_dataset' IS NULL OR l.in_dataset = (filter->>'in_dataset')::boolean)
      AND (filter->>'min_messages' IS NULL OR l.message_count >= (filter->>'min_messages')::int)
      AND (filter->>'from' IS NULL OR l.last_at >= (filter->>'from')::timestamptz)
      AND (filter->>'to' IS NULL OR l.last_at < (filter->>'to')::timestamptz)
$$;

CREATE FUNCTION found_dialogs(filter jsonb, query tsquery) RETURNS SETOF listings LANGUAGE sql STABLE AS $$
    SELECT l.* FROM matching_dialogs(filter) l
    JOIN search_documents d ON d.tenant_id = l.tenant_id AND d.dialog_id = l.dialog_id AND d.shelf = l.shelf
    WHERE d.tenant_id = current_setting('app.tenant') AND d.words @@ query
$$;

-- Whether `l` comes after the place [value, dialog_id] in this order.
CREATE FUNCTION comes_after(l listings, sort text, place jsonb) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT place IS NULL OR CASE sort
        WHEN 'newest' THEN (l.last_at, l.dialog_id) < ((place->>0)::timestamptz, place->>1)
        WHEN 'oldest' THEN (l.last_at, l.dialog_id) > ((place->>0)::timestamptz, place->>1)
        WHEN 'longest' THEN (l.message_count, l.dialog_id) < ((place->>0)::int, place->>1)
        WHEN 'shortest' THEN (l.message_count, l.dialog_id) > ((place->>0)::int, place->>1)
    END
$$;

CREATE FUNCTION list_dialogs(filter jsonb, sort text, place jsonb, size int) RETURNS SETOF listings
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = dialog_svc, public, pg_temp SET plan_cache_mode = force_custom_plan AS $$
    SELECT l.* FROM matching_dialogs(filter) l
    WHERE comes_after(l, sort, place)
    ORDER BY CASE sort WHEN 'newest' THEN l.last_at END DESC, CASE sort WHEN 'oldest' THEN l.last_at END,
             CASE sort WHEN 'longest' THEN l.message_count END DESC,
             CASE sort WHEN 'shortest' THEN l.message_count END,
             CASE WHEN sort IN ('newest', 'longest') THEN l.dialog_id END DESC,
             CASE WHEN sort IN ('oldest', 'shortest') THEN l.dialog_id END
    LIMIT size
$$;

CREATE FUNCTION search_dialogs(filter jsonb, query tsquery, sort text, place jsonb, size int)
RETURNS SETOF listings LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = dialog_svc, public, pg_temp SET plan_cache_mode = force_custom_plan AS $$
    SELECT l.* FROM found_dialogs(filter, query) l
    WHERE comes_after(l, sort, place)
    ORDER BY CASE sort WHEN 'newest' THEN l.last_at END DESC, CASE sort WHEN 'oldest' THEN l.last_at END,
             CASE sort WHEN 'longest' THEN l.message_count END DESC,
             CASE sort WHEN 'shortest' THEN l.message_count END,
             CASE WHEN sort IN ('newest', 'longest') THEN l.dialog_id END DESC,
             CASE WHEN sort IN ('oldest', 'shortest') THEN l.dialog_id END
    LIMIT size
$$;

-- How many dialogs match, counted to `most` and no further; `query` null: whatever they say.
CREATE FUNCTION count_dialogs(filter jsonb, query tsquery, most int) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = dialog_svc, public, pg_temp SET plan_cache_mode = force_custom_plan AS $$
    SELECT CASE WHEN query IS NULL
        THEN (SELECT count(*) FROM (SELECT FROM matching_dialogs(filter) LIMIT most) few)
        ELSE (SELECT count(*) FROM (SELECT FROM found_dialogs(filter, query) LIMIT most) few)
    END
$$;

-- How many of the dialogs that match have each value of each filter, in one pass over them.
CREATE FUNCTION count_values(filter jsonb, query tsquery) RETURNS TABLE (field text, value text, found bigint)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = dialog_svc, public, pg_temp SET plan_cache_mode = force_custom_plan AS $$
    WITH matches AS (
        SELECT * FROM matching_dialogs(filter) WHERE query IS NULL
        UNION ALL
        SELECT * FROM found_dialogs(filter, query) WHERE query IS NOT NULL
    )
    SELECT v.field, v.value, count(*)
    FROM matches l CROSS JOIN LATERAL (
        VALUES ('rating', l.rating), ('source', l.source), ('channel', l.channel), ('outcome', l.outcome),
               ('has_functions', l.has_functions::text), ('in_dataset', l.in_dataset::text)
        UNION ALL SELECT 'model', x FROM unnest(l.models) AS x
    ) AS v (field, value)
    WHERE v.value IS NOT NULL
    GROUP BY v.field, v.value
$$;

-- The stem of each word that has one, whether any document holds it, and if none does, what is like it.
-- Two letters exchanged in a short word leave it little similarity, hence the low threshold; the caller
-- chooses among the words. (The setting is known once the extension is loaded.)
SELECT similarity('', '');
CREATE FUNCTION stems(words text[]) RETURNS TABLE (word text, stem text, known boolean, alike text[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = dialog_svc, public, pg_temp
SET pg_trgm.similarity_threshold = 0.2 AS $$
    WITH stemmed AS (
        SELECT w.word, l.lexeme AS stem, EXISTS (
            SELECT FROM vocabulary v WHERE v.tenant_id = current_setting('app.tenant') AND v.word = l.lexeme
        ) AS known
        FROM unnest(words) AS w (word), unnest(to_tsvector('pg_catalog.russian', w.word)) AS l
    )
    SELECT s.word, s.stem, s.known, CASE WHEN s.known THEN '{}' ELSE ARRAY(
        SELECT v.word FROM vocabulary v
        WHERE v.tenant_id = current_setting('app.tenant') AND v.word % s.stem
        GROUP BY v.word ORDER BY similarity(v.word, s.stem) DESC, v.word LIMIT 20
    ) END
    FROM stemmed s
$$;

-- The words of this tenant's documents that contain a part of a number but do not begin with it, the first 100.
CREATE FUNCTION words_containing(part text) RETURNS SETOF text LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = dialog_svc, public, pg_temp SET plan_cache_mode = force_custom_plan AS $$
    SELECT DISTINCT v.word FROM vocabulary v
    WHERE v.tenant_id = current_setting('app.tenant') AND v.word LIKE '%' || part || '%'
      AND NOT starts_with(v.word, part)
    ORDER BY v.word LIMIT 100
$$;

-- Good and bad ratings a model: of its answers, and of the dialogs in which it answered.
CREATE FUNCTION ratings_by_model(filter jsonb)
RETURNS TABLE (model text, kind text, rating text, count bigint)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = dialog_svc, public, pg_temp SET plan_cache_mode = force_custom_plan AS $$
    SELECT m.message->>'model', 'answers', r.rating, count(*)
    FROM matching_dialogs(filter) l
    JOIN ratings r ON r.tenant_id = l.tenant_id AND r.dialog_id = l.dialog_id AND r.rated <> ''
    JOIN messages m ON m.tenant_id = r.tenant_id AND m.dialog_id = r.dialog_id AND m.message_id = r.rated
        AND m.shelf = l.shelf
    WHERE r.tenant_id = current_setting('app.tenant')
    GROUP BY 1, 3
    UNION ALL
    SELECT u.model, 'dialogs', r.rating, count(*)
    FROM matching_dialogs(filter) l
    JOIN ratings r ON r.tenant_id = l.tenant_id AND r.dialog_id = l.dialog_id AND r.rated = ''
    LEFT JOIN LATERAL unnest(l.models) AS u (model) ON true
    WHERE r.tenant_id = current_setting('app.tenant')
    GROUP BY 1, 3
$$;

-- How long the dialog that waits longest has been waiting to be listed, over all tenants.
CREATE FUNCTION listing_lag() RETURNS interval LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = dialog_svc, public, pg_temp AS $$
    SELECT coalesce(greatest(clock_timestamp() - min(unlisted_since), interval '0'), interval '0') FROM dialogs
    WHERE unlisted_since IS NOT NULL
$$;

DO $$ DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['list_dialogs', 'search_dialogs', 'count_dialogs', 'count_values', 'stems',
                                'words_containing', 'ratings_by_model', 'listing_lag'] LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %I TO %I, %I',
            name, current_schema(), current_schema() || '_http');
    END LOOP;
END $$;

-- migrate:down
DROP FUNCTION listing_lag, ratings_by_model, words_containing, stems, count_values, count_dialogs, search_dialogs,
    list_dialogs, comes_after, found_dialogs, matching_dialogs;
DROP TABLE vocabulary, search_documents, listed_values, listings;
