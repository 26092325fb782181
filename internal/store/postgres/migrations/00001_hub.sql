-- +goose Up

-- The end of the log. One row, whose lock is what appending writers wait for.
-- recorded is NULL while the log is empty; scrub says that secrets are to be wiped
-- from the files still. The row is rewritten by every write: the rest of its page
-- is room for that.
CREATE TABLE head (
  id       integer     PRIMARY KEY CHECK (id = 1),
  position bigint      NOT NULL,
  hash     bytea       NOT NULL,
  recorded timestamptz,
  scrub    boolean     NOT NULL
) WITH (fillfactor = 10);
INSERT INTO head VALUES (1, 0, decode(repeat('00', 32), 'hex'), NULL, false);

-- The last numbers handed out to any node.
CREATE TABLE numbers (
  sequence text   PRIMARY KEY,
  last     bigint NOT NULL
);
INSERT INTO numbers VALUES ('subject', 0), ('message', 0);

-- What only one node may do, and which one does. A node that takes a lease locks
-- the head first, so that writes of the former one are before it or refused.
CREATE TABLE leases (
  name   text        COLLATE "C" PRIMARY KEY,
  holder text        NOT NULL,
  epoch  bigint      NOT NULL,
  until  timestamptz NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE event_types (
  number integer PRIMARY KEY,
  name   text    NOT NULL UNIQUE
);

-- The log. The id carries the position, so it needs no index; what is unique
-- here is unique by the position. Documents, and values that others gave, are
-- bytea: text would have to be UTF-8 without NUL, and a message is to be kept
-- whatever is in it. A type's number has
-- no foreign key: it would be looked up for every event.
--
-- Parts of ten million positions each are made by the program, ahead of need.
CREATE TABLE events (
  position    bigint      NOT NULL PRIMARY KEY,
  account     bigint      NOT NULL,
  subject     bigint      NOT NULL,
  version     bigint      NOT NULL,
  consignment bigint      NOT NULL,
  occurred    timestamptz NOT NULL,
  received    timestamptz,
  recorded    timestamptz NOT NULL,
  type        integer     NOT NULL,
  late        boolean     NOT NULL,
  id          bytea       NOT NULL,
  hash        bytea       NOT NULL,
  client      text        NOT NULL,
  origin      text        NOT NULL,
  cause_kind  text        NOT NULL,
  cause       text        NOT NULL,
  refs        bytea       NOT NULL,
  data        bytea       NOT NULL,
  detail      bytea
) PARTITION BY RANGE (position);
CREATE INDEX events_by_account ON events (account, position);

-- One row a subject: its folded state, and where its latest events are. The id
-- is the number shifted left by five bits, or'ed with the kind. Most updates
-- change no column of an index, so half of each page is left for them.
CREATE TABLE subjects (
  id          bigint      PRIMARY KEY,
  account     bigint      NOT NULL,
  consignment bigint      NOT NULL,
  version     bigint      NOT NULL,
  updated     timestamptz NOT NULL,
  kind        integer     NOT NULL,
  clearance   integer     NOT NULL,
  state       bytea       NOT NULL,
  recent      bytea       NOT NULL
) WITH (fillfactor = 50);
CREATE INDEX subjects_by_kind ON subjects (account, kind, id);
CREATE INDEX subjects_by_clearance ON subjects (account, kind, clearance, id) WHERE clearance > 0;
CREATE INDEX subjects_by_consignment ON subjects (consignment, id);

-- Older positions of subjects with many events.
CREATE TABLE position_chunks (
  subject   bigint NOT NULL,
  last      bigint NOT NULL,
  positions bytea  NOT NULL,
  PRIMARY KEY (subject, last)
);

CREATE TABLE subject_references (
  account bigint  NOT NULL,
  subject bigint  NOT NULL,
  kind    integer NOT NULL,
  value   bytea   NOT NULL,
  PRIMARY KEY (account, kind, value, subject)
);

CREATE TABLE messages (
  number   bigint      PRIMARY KEY,
  account  bigint      NOT NULL,
  received timestamptz NOT NULL,
  id       bytea       NOT NULL,
  digest   bytea       NOT NULL,
  format   text        NOT NULL,
  client   text        NOT NULL,
  origin   text        NOT NULL,
  state    text        NOT NULL,
  problem  bytea       NOT NULL,
  results  bytea,
  raw      bytea
);
-- Of two that serve alike while the table is small the planner takes the later.
CREATE INDEX messages_by_account ON messages (account, number);
CREATE UNIQUE INDEX messages_by_digest ON messages (account, digest);
CREATE INDEX messages_open ON messages (account, state, number) WHERE state <> 'applied';

CREATE TABLE waiting_references (
  account bigint  NOT NULL,
  message bigint  NOT NULL,
  kind    integer NOT NULL,
  value   bytea   NOT NULL,
  PRIMARY KEY (account, kind, value, message)
);
CREATE INDEX waiting_by_message ON waiting_references (message);

CREATE TABLE answers (
  account bigint      NOT NULL,
  stored  timestamptz NOT NULL,
  status  integer     NOT NULL,
  key     bytea       NOT NULL,
  request bytea       NOT NULL,
  body    bytea,
  PRIMARY KEY (account, key)
);
CREATE INDEX answers_by_age ON answers (stored);

CREATE TABLE accounts (
  number  bigint      PRIMARY KEY,
  domain  text        NOT NULL UNIQUE,
  region  text        NOT NULL,
  gateway text        NOT NULL,
  created timestamptz NOT NULL
);

CREATE TABLE keys (
  id      bytea       PRIMARY KEY,
  account bigint      NOT NULL REFERENCES accounts (number),
  name    text        NOT NULL,
  role    text        NOT NULL,
  digest  bytea       NOT NULL UNIQUE,
  created timestamptz NOT NULL,
  expires timestamptz,
  revoked timestamptz,
  origin  text        NOT NULL
);

-- generation is the highest given to any delivery.
CREATE TABLE endpoints (
  number     bigint      PRIMARY KEY,
  id         bytea       NOT NULL,
  account    bigint      NOT NULL,
  url        text        NOT NULL,
  state      text        NOT NULL,
  reason     text        NOT NULL,
  secrets    text        NOT NULL,
  eaze_key   text        NOT NULL,
  created    timestamptz NOT NULL,
  updated    timestamptz NOT NULL,
  generation integer     NOT NULL
);
CREATE UNIQUE INDEX endpoints_by_url ON endpoints (account, url) WHERE state <> 'deleted';

-- What of the settings nobody may read has a column of its own, which is sealed.
CREATE TABLE revisions (
  endpoint     bigint      NOT NULL REFERENCES endpoints (number),
  number       integer     NOT NULL,
  first        bigint      NOT NULL,
  made         timestamptz NOT NULL,
  settings     bytea,
  confidential bytea,
  PRIMARY KEY (endpoint, number)
);

CREATE TABLE cursors (
  owner    text COLLATE "C" PRIMARY KEY,
  position bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE lanes (
  endpoint   bigint      NOT NULL,
  key        bigint      NOT NULL,
  head       bigint      NOT NULL,
  urgent     bigint      NOT NULL,
  due        timestamptz NOT NULL,
  opened     timestamptz NOT NULL,
  generation integer     NOT NULL,
  attempts   integer     NOT NULL,
  probes     integer     NOT NULL,
  revision   integer     NOT NULL,
  state      text        NOT NULL,
  reason     text        NOT NULL,
  PRIMARY KEY (endpoint, key, generation)
) WITH (fillfactor = 50);

-- Attempts lie in the order of the log, in parts of the same size as its own, so
-- that live traffic only ever writes at the end, and what is known by its
-- position lies in one part. Probes use up no attempt of the schedule and are
-- counted apart. packing says how headers and body of an answer lie here: 0 as
-- they came, else together in headers. duration counts microseconds.
CREATE TABLE attempts (
  position   bigint      NOT NULL,
  endpoint   bigint      NOT NULL,
  sent       timestamptz NOT NULL,
  duration   bigint      NOT NULL,
  generation integer     NOT NULL,
  number     integer     NOT NULL,
  revision   integer     NOT NULL,
  status     integer     NOT NULL,
  probes     integer     NOT NULL,
  packing    integer     NOT NULL,
  done       boolean     NOT NULL,
  probe      boolean     NOT NULL,
  error      text        NOT NULL,
  digest     bytea       NOT NULL,
  headers    bytea,
  body       bytea,
  PRIMARY KEY (position, endpoint, generation, number)
) PARTITION BY RANGE (position);

CREATE TABLE skips (
  number   bigint      GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
  endpoint bigint      NOT NULL,
  first    bigint      NOT NULL,
  last     bigint      NOT NULL,
  lane     bigint      NOT NULL,
  at       timestamptz NOT NULL,
  kind     text        NOT NULL,
  reason   text        NOT NULL,
  actor    text        NOT NULL
);
CREATE INDEX skips_by_endpoint ON skips (endpoint, first);

-- How an endpoint has been failing: one row for each that ever did.
CREATE TABLE breakers (
  endpoint bigint      PRIMARY KEY,
  since    timestamptz NOT NULL,
  failing  timestamptz,
  probe_at timestamptz,
  failures integer     NOT NULL,
  probes   integer     NOT NULL,
  state    text        NOT NULL,
  reason   text        NOT NULL
) WITH (fillfactor = 50);

-- What the attempts of an endpoint and an hour add up to.
CREATE TABLE tallies (
  endpoint bigint      NOT NULL,
  hour     timestamptz NOT NULL,
  counts   bytea,
  PRIMARY KEY (endpoint, hour)
) WITH (fillfactor = 70);
CREATE INDEX tallies_by_age ON tallies (hour);

-- Ranges of the log that are sent to an endpoint again, each under a generation
-- of its own.
CREATE TABLE replays (
  endpoint   bigint      NOT NULL,
  first      bigint      NOT NULL,
  last       bigint      NOT NULL,
  passed     bigint      NOT NULL,
  looked     bigint      NOT NULL,
  delivered  bigint      NOT NULL,
  skipped    bigint      NOT NULL,
  created    timestamptz NOT NULL,
  updated    timestamptz NOT NULL,
  generation integer     NOT NULL,
  selection  bytea       NOT NULL,
  state      text        NOT NULL,
  reason     text        NOT NULL,
  actor      text        NOT NULL,
  PRIMARY KEY (endpoint, generation)
) WITH (fillfactor = 50);

-- Documents and messages under their SHA-256.
CREATE TABLE blobs (
  account bigint NOT NULL,
  digest  bytea  NOT NULL,
  bytes   bytea,
  PRIMARY KEY (account, digest)
);

-- Signing keys of what is no endpoint, in the form endpoints have them. An owner
-- without secrets has no row.
CREATE TABLE owned_secrets (
  account bigint NOT NULL,
  owner   text   COLLATE "C" NOT NULL,
  secrets text   NOT NULL,
  PRIMARY KEY (account, owner)
);
