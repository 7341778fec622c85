-- migrate:up

-- The span in which the run was asked for (W3C traceparent): what is published of it later is linked to that one.
ALTER TABLE runs ADD COLUMN traceparent text NOT NULL DEFAULT '';

-- migrate:down
ALTER TABLE runs DROP COLUMN traceparent;
