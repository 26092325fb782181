-- +goose Up

-- How an endpoint has been failing: one row for each that ever did.
CREATE TABLE breakers (
  endpoint INTEGER PRIMARY KEY,
  state    TEXT    NOT NULL,
  since    INTEGER NOT NULL,
  reason   TEXT    NOT NULL,
  failures INTEGER NOT NULL,
  failing  INTEGER,
  probes   INTEGER NOT NULL,
  probe_at INTEGER
) STRICT;

-- Probes use up no attempt of the schedule, so they are counted apart: the
-- number of an attempt without the probes up to it is its place in the schedule.
ALTER TABLE attempts ADD COLUMN probe INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN probes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE lanes ADD COLUMN probes INTEGER NOT NULL DEFAULT 0;

-- Up to here a lane goes on while its endpoint is in maintenance.
ALTER TABLE lanes ADD COLUMN urgent INTEGER NOT NULL DEFAULT 0;
