-- migrate:up

-- What a saved example's words are compared with others by: the MinHash signature as the library writes it down,
-- and hashes of the shingles (at most the 4,096 smallest) that settle what a signature leaves in doubt. `algorithm`
-- says how they were made; `changed_at` tells a signature from the one before it. `group_id` is the group of
-- near duplicates, with the place of the split that all of it takes; it counts once `is_grouped`.
CREATE TABLE example_signatures (
    tenant_id text NOT NULL,
    example_id uuid NOT NULL,
    dataset_id uuid NOT NULL,
    algorithm text NOT NULL,
    signature bytea NOT NULL,
    shingles bytea NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    is_grouped boolean NOT NULL DEFAULT false,
    group_id uuid,
    group_split_hash bytea,
    PRIMARY KEY (tenant_id, example_id),
    FOREIGN KEY (tenant_id, example_id) REFERENCES examples (tenant_id, id) ON DELETE CASCADE,
    CHECK ((group_id IS NULL) = (group_split_hash IS NULL))
);
-- hashes do not get smaller, and out of line they cost nothing when only signatures are read
ALTER TABLE example_signatures ALTER COLUMN signature SET STORAGE PLAIN, ALTER COLUMN shingles SET STORAGE EXTERNAL;
CREATE INDEX example_signatures_of_dataset ON example_signatures (tenant_id, dataset_id, example_id);
CREATE INDEX example_signatures_of_group ON example_signatures (tenant_id, group_id, example_id)
    WHERE group_id IS NOT NULL;
CREATE INDEX example_signatures_to_group ON example_signatures (tenant_id, dataset_id) WHERE NOT is_grouped;
SELECT protect_tenant_table('example_signatures');

-- Groups that lost a member, by whatever way: without it the others may have nothing in common. A row a loss, so
-- that one that is not committed yet is never taken for one that was seen to.
CREATE TABLE broken_groups (
    tenant_id text NOT NULL,
    id bigint GENERATED ALWAYS AS IDENTITY,
    dataset_id uuid NOT NULL,
    group_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX broken_groups_of_dataset ON broken_groups (tenant_id, dataset_id);
SELECT protect_tenant_table('broken_groups');

CREATE FUNCTION note_broken_groups() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO broken_groups (tenant_id, dataset_id, group_id)
    SELECT DISTINCT tenant_id, dataset_id, group_id FROM gone WHERE group_id IS NOT NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER note_broken AFTER DELETE ON example_signatures REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION note_broken_groups();

-- What is there already gets its signature with its next check.
INSERT INTO check_queue SELECT tenant_id, dataset_id, id FROM examples WHERE state = 'saved' ON CONFLICT DO NOTHING;

-- migrate:down
DROP TRIGGER note_broken ON example_signatures;
DROP FUNCTION note_broken_groups();
DROP TABLE broken_groups, example_signatures;
