-- +goose Up

-- Documents and messages under their SHA-256. Bytes may be large, so the table
-- keeps its rowid: the tree that is searched holds the digests alone.
CREATE TABLE blobs (
  account INTEGER NOT NULL,
  digest  BLOB    NOT NULL,
  bytes   BLOB,
  PRIMARY KEY (account, digest)
) STRICT;

-- Signing keys of what is no endpoint, in the form endpoints have them. An owner
-- without secrets has no row.
CREATE TABLE owned_secrets (
  account INTEGER NOT NULL,
  owner   TEXT    NOT NULL,
  secrets TEXT    NOT NULL,
  PRIMARY KEY (account, owner)
) STRICT, WITHOUT ROWID;
