-- migrate:up

-- Text lies on shelves: one a retention class and month in which its dialogs began, each a partition of
-- messages, search_documents and vocabulary, so that old text is dropped whole. `kept` in days after the
-- month; 0: for ever.
CREATE TABLE shelves (
    shelf int PRIMARY KEY,
    kept int NOT NULL CHECK (kept IN (0, 30, 90, 365)),
    month date NOT NULL
);
DO $$ BEGIN
    EXECUTE format('GRANT SELECT ON shelves TO %I', current_schema());
END $$;

CREATE FUNCTION add_shelf(kept int, month date) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    number int := kept * 1000000 + to_char(month, 'YYYYMM')::int;
    parent text;
BEGIN
    INSERT INTO shelves VALUES (number, kept, date_trunc('month', month)) ON CONFLICT DO NOTHING;
    FOREACH parent IN ARRAY ARRAY['messages', 'search_documents', 'vocabulary'] LOOP
        EXECUTE format('CREATE TABLE IF NOT EXISTS %I PARTITION OF %I FOR VALUES IN (%s)',
            parent || '_' || number, parent, number);
    END LOOP;
    -- whether to begin with the documents or with the order hangs on how rare a word is known to be
    EXECUTE format('ALTER TABLE %I ALTER COLUMN words SET STATISTICS 1000', 'search_documents_' || number);
    RETURN number;
END $$;

-- Makes the shelves of this month and the next two; returns how many were new. Whoever waits for the
-- lock on a parent table makes others wait: rather a second now, and again later.
CREATE FUNCTION add_shelves() RETURNS bigint LANGUAGE sql SECURITY DEFINER
SET search_path = dialog_svc, pg_temp SET lock_timeout = '1s' AS $$
    SELECT count(add_shelf(kept, month::date))
    FROM unnest(ARRAY[0, 30, 90, 365]) AS kept,
         generate_series(date_trunc('month', now()), now() + interval '2 months', interval '1 month') AS month
    WHERE NOT EXISTS (SELECT FROM shelves s WHERE s.kept = kept.kept AND s.month = month.month::date)
$$;

-- Drops an empty shelf with the text that nothing refers to any more; false while a dialog still lies on it.
CREATE FUNCTION drop_shelf(number int) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
SET search_path = dialog_svc, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
    parent text;
BEGIN
    IF EXISTS (SELECT FROM dialogs WHERE shelf = number) THEN
        RETURN false;
    END IF;
    FOREACH parent IN ARRAY ARRAY['messages', 'search_documents', 'vocabulary'] LOOP
        EXECUTE format('DROP TABLE IF EXISTS %I', parent || '_' || number);
    END LOOP;
    DELETE FROM shelves WHERE shelf = number;
    RETURN true;
END $$;
DO $$ BEGIN
    EXECUTE format('GRANT EXECUTE ON FUNCTION add_shelves, drop_shelf TO %I', current_schema());
END $$;
SELECT add_shelves();

-- migrate:down
DROP FUNCTION drop_shelf, add_shelves, add_shelf;
DROP TABLE shelves;
