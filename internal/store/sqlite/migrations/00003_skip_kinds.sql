-- +goose Up

-- What a record of skipping stands for: an event, what waited in a lane, or a
-- range that an endpoint was resumed beyond.
ALTER TABLE skips ADD COLUMN kind TEXT NOT NULL DEFAULT '';
