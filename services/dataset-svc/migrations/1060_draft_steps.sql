-- migrate:up

-- What a change of a working copy can be taken back to: messages, note and tags as they were before it, and
-- which revision of its dialog they were. Null where a change rewrote the original along (pseudonyms), where an
-- operation of its own takes it back, or where it is too long ago. `step` tells what was done from what was
-- undone and done again.
ALTER TABLE draft_changes ADD COLUMN before jsonb, ADD COLUMN step text NOT NULL DEFAULT 'change';
-- squawk-ignore require-concurrent-index-creation -- no release holds rows of this table yet
CREATE INDEX draft_changes_with_text ON draft_changes (changed_at) WHERE before IS NOT NULL;

-- migrate:down
ALTER TABLE draft_changes DROP COLUMN before, DROP COLUMN step;
