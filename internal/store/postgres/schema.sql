-- The schema after all migrations. Written by a test; do not edit.

TABLE accounts
  number bigint NOT NULL
  domain text NOT NULL
  region text NOT NULL
  gateway text NOT NULL
  created timestamp with time zone NOT NULL
  CONSTRAINT accounts_domain_key UNIQUE (domain)
  CONSTRAINT accounts_pkey PRIMARY KEY (number)

TABLE answers
  account bigint NOT NULL
  stored timestamp with time zone NOT NULL
  status integer NOT NULL
  key bytea NOT NULL
  request bytea NOT NULL
  body bytea
  CONSTRAINT answers_pkey PRIMARY KEY (account, key)
  CREATE INDEX answers_by_age ON public.answers USING btree (stored)

TABLE attempts PARTITION BY RANGE ("position")
  position bigint NOT NULL
  endpoint bigint NOT NULL
  sent timestamp with time zone NOT NULL
  duration bigint NOT NULL
  generation integer NOT NULL
  number integer NOT NULL
  revision integer NOT NULL
  status integer NOT NULL
  probes integer NOT NULL
  packing integer NOT NULL
  done boolean NOT NULL
  probe boolean NOT NULL
  error text NOT NULL
  digest bytea NOT NULL
  headers bytea
  body bytea
  CONSTRAINT attempts_pkey PRIMARY KEY ("position", endpoint, generation, number)

TABLE blobs
  account bigint NOT NULL
  digest bytea NOT NULL
  bytes bytea
  CONSTRAINT blobs_pkey PRIMARY KEY (account, digest)

TABLE breakers WITH (fillfactor=50)
  endpoint bigint NOT NULL
  since timestamp with time zone NOT NULL
  failing timestamp with time zone
  probe_at timestamp with time zone
  failures integer NOT NULL
  probes integer NOT NULL
  state text NOT NULL
  reason text NOT NULL
  CONSTRAINT breakers_pkey PRIMARY KEY (endpoint)

TABLE cursors WITH (fillfactor=50)
  owner text COLLATE "C" NOT NULL
  position bigint NOT NULL
  CONSTRAINT cursors_pkey PRIMARY KEY (owner)

TABLE endpoints
  number bigint NOT NULL
  id bytea NOT NULL
  account bigint NOT NULL
  url text NOT NULL
  state text NOT NULL
  reason text NOT NULL
  secrets text NOT NULL
  eaze_key text NOT NULL
  created timestamp with time zone NOT NULL
  updated timestamp with time zone NOT NULL
  generation integer NOT NULL
  CONSTRAINT endpoints_pkey PRIMARY KEY (number)
  CREATE UNIQUE INDEX endpoints_by_url ON public.endpoints USING btree (account, url) WHERE (state <> 'deleted'::text)

TABLE event_types
  number integer NOT NULL
  name text NOT NULL
  CONSTRAINT event_types_name_key UNIQUE (name)
  CONSTRAINT event_types_pkey PRIMARY KEY (number)

TABLE events PARTITION BY RANGE ("position")
  position bigint NOT NULL
  account bigint NOT NULL
  subject bigint NOT NULL
  version bigint NOT NULL
  consignment bigint NOT NULL
  occurred timestamp with time zone NOT NULL
  received timestamp with time zone
  recorded timestamp with time zone NOT NULL
  type integer NOT NULL
  late boolean NOT NULL
  id bytea NOT NULL
  hash bytea NOT NULL
  client text NOT NULL
  origin text NOT NULL
  cause_kind text NOT NULL
  cause text NOT NULL
  refs bytea NOT NULL
  data bytea NOT NULL
  detail bytea
  CONSTRAINT events_pkey PRIMARY KEY ("position")
  CREATE INDEX events_by_account ON ONLY public.events USING btree (account, "position")

TABLE head WITH (fillfactor=10)
  id integer NOT NULL
  position bigint NOT NULL
  hash bytea NOT NULL
  recorded timestamp with time zone
  scrub boolean NOT NULL
  CONSTRAINT head_id_check CHECK ((id = 1))
  CONSTRAINT head_pkey PRIMARY KEY (id)

TABLE keys
  id bytea NOT NULL
  account bigint NOT NULL
  name text NOT NULL
  role text NOT NULL
  digest bytea NOT NULL
  created timestamp with time zone NOT NULL
  expires timestamp with time zone
  revoked timestamp with time zone
  origin text NOT NULL
  CONSTRAINT keys_account_fkey FOREIGN KEY (account) REFERENCES accounts(number)
  CONSTRAINT keys_digest_key UNIQUE (digest)
  CONSTRAINT keys_pkey PRIMARY KEY (id)

TABLE lanes WITH (fillfactor=50)
  endpoint bigint NOT NULL
  key bigint NOT NULL
  head bigint NOT NULL
  urgent bigint NOT NULL
  due timestamp with time zone NOT NULL
  opened timestamp with time zone NOT NULL
  generation integer NOT NULL
  attempts integer NOT NULL
  probes integer NOT NULL
  revision integer NOT NULL
  state text NOT NULL
  reason text NOT NULL
  CONSTRAINT lanes_pkey PRIMARY KEY (endpoint, key, generation)

TABLE leases WITH (fillfactor=50)
  name text COLLATE "C" NOT NULL
  holder text NOT NULL
  epoch bigint NOT NULL
  until timestamp with time zone NOT NULL
  CONSTRAINT leases_pkey PRIMARY KEY (name)

TABLE messages
  number bigint NOT NULL
  account bigint NOT NULL
  received timestamp with time zone NOT NULL
  id bytea NOT NULL
  digest bytea NOT NULL
  format text NOT NULL
  client text NOT NULL
  origin text NOT NULL
  state text NOT NULL
  problem bytea NOT NULL
  results bytea
  raw bytea
  CONSTRAINT messages_pkey PRIMARY KEY (number)
  CREATE INDEX messages_by_account ON public.messages USING btree (account, number)
  CREATE UNIQUE INDEX messages_by_digest ON public.messages USING btree (account, digest)
  CREATE INDEX messages_open ON public.messages USING btree (account, state, number) WHERE (state <> 'applied'::text)

TABLE numbers
  sequence text NOT NULL
  last bigint NOT NULL
  CONSTRAINT numbers_pkey PRIMARY KEY (sequence)

TABLE owned_secrets
  account bigint NOT NULL
  owner text COLLATE "C" NOT NULL
  secrets text NOT NULL
  CONSTRAINT owned_secrets_pkey PRIMARY KEY (account, owner)

TABLE position_chunks
  subject bigint NOT NULL
  last bigint NOT NULL
  positions bytea NOT NULL
  CONSTRAINT position_chunks_pkey PRIMARY KEY (subject, last)

TABLE replays WITH (fillfactor=50)
  endpoint bigint NOT NULL
  first bigint NOT NULL
  last bigint NOT NULL
  passed bigint NOT NULL
  looked bigint NOT NULL
  delivered bigint NOT NULL
  skipped bigint NOT NULL
  created timestamp with time zone NOT NULL
  updated timestamp with time zone NOT NULL
  generation integer NOT NULL
  selection bytea NOT NULL
  state text NOT NULL
  reason text NOT NULL
  actor text NOT NULL
  CONSTRAINT replays_pkey PRIMARY KEY (endpoint, generation)

TABLE restoration
  id integer NOT NULL
  progress text NOT NULL
  complete boolean NOT NULL
  CONSTRAINT restoration_id_check CHECK ((id = 1))
  CONSTRAINT restoration_pkey PRIMARY KEY (id)

TABLE revisions
  endpoint bigint NOT NULL
  number integer NOT NULL
  first bigint NOT NULL
  made timestamp with time zone NOT NULL
  settings bytea
  confidential bytea
  CONSTRAINT revisions_endpoint_fkey FOREIGN KEY (endpoint) REFERENCES endpoints(number)
  CONSTRAINT revisions_pkey PRIMARY KEY (endpoint, number)

TABLE skips
  number bigint NOT NULL IDENTITY
  endpoint bigint NOT NULL
  first bigint NOT NULL
  last bigint NOT NULL
  lane bigint NOT NULL
  at timestamp with time zone NOT NULL
  kind text NOT NULL
  reason text NOT NULL
  actor text NOT NULL
  CONSTRAINT skips_pkey PRIMARY KEY (number)
  CREATE INDEX skips_by_endpoint ON public.skips USING btree (endpoint, first)

TABLE subject_references
  account bigint NOT NULL
  subject bigint NOT NULL
  kind integer NOT NULL
  value bytea NOT NULL
  CONSTRAINT subject_references_pkey PRIMARY KEY (account, kind, value, subject)

TABLE subjects WITH (fillfactor=50)
  id bigint NOT NULL
  account bigint NOT NULL
  consignment bigint NOT NULL
  version bigint NOT NULL
  updated timestamp with time zone NOT NULL
  kind integer NOT NULL
  clearance integer NOT NULL
  state bytea NOT NULL
  recent bytea NOT NULL
  CONSTRAINT subjects_pkey PRIMARY KEY (id)
  CREATE INDEX subjects_by_clearance ON public.subjects USING btree (account, kind, clearance, id) WHERE (clearance > 0)
  CREATE INDEX subjects_by_consignment ON public.subjects USING btree (consignment, id)
  CREATE INDEX subjects_by_kind ON public.subjects USING btree (account, kind, id)

TABLE tallies WITH (fillfactor=70)
  endpoint bigint NOT NULL
  hour timestamp with time zone NOT NULL
  counts bytea
  CONSTRAINT tallies_pkey PRIMARY KEY (endpoint, hour)
  CREATE INDEX tallies_by_age ON public.tallies USING btree (hour)

TABLE waiting_references
  account bigint NOT NULL
  message bigint NOT NULL
  kind integer NOT NULL
  value bytea NOT NULL
  CONSTRAINT waiting_references_pkey PRIMARY KEY (account, kind, value, message)
  CREATE INDEX waiting_by_message ON public.waiting_references USING btree (message)
