-- +goose Up

-- Ranges of the log that are sent to an endpoint again, each under a generation
-- of its own.
CREATE TABLE replays (
  endpoint   INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  first      INTEGER NOT NULL,
  last       INTEGER NOT NULL,
  selection  TEXT    NOT NULL,
  state      TEXT    NOT NULL,
  passed     INTEGER NOT NULL,
  looked     INTEGER NOT NULL,
  delivered  INTEGER NOT NULL,
  skipped    INTEGER NOT NULL,
  reason     TEXT    NOT NULL,
  actor      TEXT    NOT NULL,
  created    INTEGER NOT NULL,
  updated    INTEGER NOT NULL,
  PRIMARY KEY (endpoint, generation)
) STRICT, WITHOUT ROWID;

-- The highest generation given to any delivery to an endpoint: that of a replay
-- must be higher than all before it.
ALTER TABLE endpoints ADD COLUMN generation INTEGER NOT NULL DEFAULT 1;
UPDATE endpoints SET generation = max(1, coalesce((SELECT max(generation) FROM attempts WHERE endpoint = number), 1),
  coalesce((SELECT max(generation) FROM lanes WHERE endpoint = number), 1));
