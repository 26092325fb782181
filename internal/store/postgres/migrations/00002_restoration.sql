-- +goose Up

-- How far the database has been filled with the data of another. No row when it
-- never was to be; a hub works with it only when that is complete.
CREATE TABLE restoration (
  id       integer PRIMARY KEY CHECK (id = 1),
  progress text    NOT NULL,
  complete boolean NOT NULL
);
