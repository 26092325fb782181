-- The schema after all migrations. Written by a test; do not edit.

CREATE TABLE accounts (
  number  INTEGER PRIMARY KEY,
  domain  TEXT    NOT NULL UNIQUE,
  region  TEXT    NOT NULL,
  gateway TEXT    NOT NULL,
  created INTEGER NOT NULL
) STRICT;

CREATE TABLE answers (
  account INTEGER NOT NULL,
  key     BLOB    NOT NULL,
  request BLOB    NOT NULL,
  status  INTEGER NOT NULL,
  body    BLOB,
  stored  INTEGER NOT NULL,
  PRIMARY KEY (account, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX answers_by_age ON answers (stored);

CREATE TABLE attempts (
  position   INTEGER NOT NULL,
  endpoint   INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  number     INTEGER NOT NULL,
  revision   INTEGER NOT NULL,
  sent       INTEGER NOT NULL,
  duration   INTEGER NOT NULL,
  status     INTEGER NOT NULL,
  error      TEXT    NOT NULL,
  digest     BLOB    NOT NULL,
  headers    BLOB,
  body       BLOB,
  done       INTEGER NOT NULL, probe INTEGER NOT NULL DEFAULT 0, probes INTEGER NOT NULL DEFAULT 0, packing INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (position, endpoint, generation, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE blobs (
  account INTEGER NOT NULL,
  digest  BLOB    NOT NULL,
  bytes   BLOB,
  PRIMARY KEY (account, digest)
) STRICT;

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

CREATE TABLE cursors (
  owner    TEXT PRIMARY KEY,
  position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE endpoints (
  number   INTEGER PRIMARY KEY,
  id       BLOB    NOT NULL,
  account  INTEGER NOT NULL,
  url      TEXT    NOT NULL,
  state    TEXT    NOT NULL,
  reason   TEXT    NOT NULL,
  secrets  TEXT    NOT NULL,
  eaze_key TEXT    NOT NULL,
  created  INTEGER NOT NULL,
  updated  INTEGER NOT NULL
, generation INTEGER NOT NULL DEFAULT 1) STRICT;

CREATE UNIQUE INDEX endpoints_by_url ON endpoints (account, url) WHERE state <> 'deleted';

CREATE TABLE event_types (
  number INTEGER PRIMARY KEY,
  name   TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE events (
  position    INTEGER PRIMARY KEY,
  id          BLOB    NOT NULL,
  type        INTEGER NOT NULL REFERENCES event_types (number),
  account     INTEGER NOT NULL,
  subject     INTEGER NOT NULL,
  version     INTEGER NOT NULL,
  consignment INTEGER NOT NULL,
  occurred    INTEGER NOT NULL,
  received    INTEGER,
  recorded    INTEGER NOT NULL,
  client      TEXT    NOT NULL,
  origin      TEXT    NOT NULL,
  cause_kind  TEXT    NOT NULL,
  cause       TEXT    NOT NULL,
  late        INTEGER NOT NULL,
  refs        TEXT    NOT NULL,
  data        TEXT    NOT NULL,
  detail      TEXT,
  hash        BLOB    NOT NULL
) STRICT;

CREATE INDEX events_by_account ON events (account, position);

CREATE TABLE head (
  id             INTEGER PRIMARY KEY CHECK (id = 1),
  position       INTEGER NOT NULL,
  hash           BLOB    NOT NULL,
  recorded       INTEGER NOT NULL,
  subject_number INTEGER NOT NULL,
  message_number INTEGER NOT NULL
) STRICT;

CREATE TABLE keys (
  id      BLOB    PRIMARY KEY,
  account INTEGER NOT NULL REFERENCES accounts (number),
  name    TEXT    NOT NULL,
  role    TEXT    NOT NULL,
  digest  BLOB    NOT NULL UNIQUE,
  created INTEGER NOT NULL,
  expires INTEGER,
  revoked INTEGER,
  origin  TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE lanes (
  endpoint   INTEGER NOT NULL,
  key        INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  head       INTEGER NOT NULL,
  attempts   INTEGER NOT NULL,
  due        INTEGER NOT NULL,
  state      TEXT    NOT NULL,
  reason     TEXT    NOT NULL,
  revision   INTEGER NOT NULL,
  opened     INTEGER NOT NULL, probes INTEGER NOT NULL DEFAULT 0, urgent INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (endpoint, key, generation)
) STRICT, WITHOUT ROWID;

CREATE TABLE messages (
  number   INTEGER PRIMARY KEY,
  id       BLOB    NOT NULL,
  account  INTEGER NOT NULL,
  digest   BLOB    NOT NULL,
  format   TEXT    NOT NULL,
  received INTEGER NOT NULL,
  client   TEXT    NOT NULL,
  origin   TEXT    NOT NULL,
  state    TEXT    NOT NULL,
  problem  TEXT    NOT NULL,
  results  TEXT,
  raw      BLOB
) STRICT;

CREATE INDEX messages_by_account ON messages (account, number);

CREATE UNIQUE INDEX messages_by_digest ON messages (account, digest);

CREATE INDEX messages_open ON messages (account, state, number) WHERE state <> 'applied';

CREATE TABLE owned_secrets (
  account INTEGER NOT NULL,
  owner   TEXT    NOT NULL,
  secrets TEXT    NOT NULL,
  PRIMARY KEY (account, owner)
) STRICT, WITHOUT ROWID;

CREATE TABLE position_chunks (
  subject   INTEGER NOT NULL,
  last      INTEGER NOT NULL,
  positions BLOB    NOT NULL,
  PRIMARY KEY (subject, last)
) STRICT, WITHOUT ROWID;

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

CREATE TABLE restoration (
  id       INTEGER PRIMARY KEY CHECK (id = 1),
  progress TEXT    NOT NULL,
  complete INTEGER NOT NULL
) STRICT;

CREATE TABLE revisions (
  endpoint INTEGER NOT NULL REFERENCES endpoints (number),
  number   INTEGER NOT NULL,
  first    INTEGER NOT NULL,
  settings TEXT    NOT NULL,
  made     INTEGER NOT NULL, confidential TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (endpoint, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE skips (
  number   INTEGER PRIMARY KEY,
  endpoint INTEGER NOT NULL,
  first    INTEGER NOT NULL,
  last     INTEGER NOT NULL,
  lane     INTEGER NOT NULL,
  reason   TEXT    NOT NULL,
  actor    TEXT    NOT NULL,
  at       INTEGER NOT NULL
, kind TEXT NOT NULL DEFAULT '') STRICT;

CREATE INDEX skips_by_endpoint ON skips (endpoint, first);

CREATE TABLE subject_references (
  account INTEGER NOT NULL,
  kind    INTEGER NOT NULL,
  value   TEXT    NOT NULL,
  subject INTEGER NOT NULL,
  PRIMARY KEY (account, kind, value, subject)
) STRICT, WITHOUT ROWID;

CREATE TABLE subjects (
  id          INTEGER PRIMARY KEY,
  account     INTEGER NOT NULL,
  kind        INTEGER NOT NULL,
  consignment INTEGER NOT NULL,
  version     INTEGER NOT NULL,
  clearance   INTEGER NOT NULL,
  updated     INTEGER NOT NULL,
  state       TEXT    NOT NULL,
  recent      BLOB    NOT NULL
) STRICT;

CREATE INDEX subjects_by_clearance ON subjects (account, kind, clearance, id) WHERE clearance > 0;

CREATE INDEX subjects_by_consignment ON subjects (consignment, id);

CREATE INDEX subjects_by_kind ON subjects (account, kind, id);

CREATE TABLE tallies (
  endpoint INTEGER NOT NULL,
  hour     INTEGER NOT NULL,
  counts   TEXT    NOT NULL,
  PRIMARY KEY (endpoint, hour)
) STRICT, WITHOUT ROWID;

CREATE INDEX tallies_by_age ON tallies (hour);

CREATE TABLE waiting_references (
  account INTEGER NOT NULL,
  kind    INTEGER NOT NULL,
  value   TEXT    NOT NULL,
  message INTEGER NOT NULL,
  PRIMARY KEY (account, kind, value, message)
) STRICT, WITHOUT ROWID;

CREATE INDEX waiting_by_message ON waiting_references (message);
