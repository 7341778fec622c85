-- migrate:up

-- What a promised example became where its dialog had one already: the promised id leads there for a while.
ALTER TABLE pending_examples ADD COLUMN opened_id uuid, ADD COLUMN opened_at timestamptz;

-- migrate:down
ALTER TABLE pending_examples DROP COLUMN opened_id, DROP COLUMN opened_at;
