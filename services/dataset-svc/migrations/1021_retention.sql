-- migrate:up

-- Text of a candidate goes when its time is over; that it was there stays, so that a later revision which says
-- "the same as that one" is still understood, and is filled when the dialog is selected again.
-- squawk-ignore ban-drop-constraint, constraint-missing-not-valid
ALTER TABLE candidates DROP CONSTRAINT candidates_check, ADD CHECK (transcript IS NULL OR uri IS NULL);
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX candidates_to_expire ON candidates (received_at) WHERE transcript IS NOT NULL OR uri IS NOT NULL;
-- squawk-ignore require-concurrent-index-creation
CREATE INDEX operations_to_expire ON operations (finished_at) WHERE finished_at IS NOT NULL;

-- migrate:down
DROP INDEX operations_to_expire, candidates_to_expire;
DELETE FROM candidates WHERE transcript IS NULL AND uri IS NULL;
ALTER TABLE candidates DROP CONSTRAINT candidates_check, ADD CHECK ((transcript IS NULL) <> (uri IS NULL));
