-- +goose Up

-- What of the settings nobody may read has a column of its own, which is sealed:
-- the rest stays legible, also to whoever has lost the key.
ALTER TABLE revisions ADD COLUMN confidential TEXT NOT NULL DEFAULT '';
UPDATE revisions
  SET confidential = json_object('headers', json_extract(settings, '$.headers')),
      settings = json_remove(settings, '$.headers')
  WHERE json_valid(settings) AND json_extract(settings, '$.headers') IS NOT NULL;
