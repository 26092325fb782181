-- +goose Up

-- How headers and body of an answer lie in an attempt: 0 as they came, else
-- together in headers, by the packing of that number.
ALTER TABLE attempts ADD COLUMN packing INTEGER NOT NULL DEFAULT 0;

-- What the attempts of an endpoint and an hour add up to. The age has an index
-- that no update touches.
CREATE TABLE tallies (
  endpoint INTEGER NOT NULL,
  hour     INTEGER NOT NULL,
  counts   TEXT    NOT NULL,
  PRIMARY KEY (endpoint, hour)
) STRICT, WITHOUT ROWID;

CREATE INDEX tallies_by_age ON tallies (hour);
