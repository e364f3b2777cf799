create table api_key (
  id         text primary key,
  label      text not null,
  key_hash   bytea not null unique,             -- SHA-256 of the bearer key; the key itself is nowhere
  scopes     text[] not null default '{}',      -- what it may do; nothing else
  created_at timestamptz not null,
  revoked_at timestamptz
);
create table idempotency_key (
  api_key_id  text not null references api_key,
  key         text not null check (length(key) between 1 and 128),
  fingerprint bytea not null,                   -- SHA-256 over method, path and body
  status      integer,                          -- null while the first request is in flight
  response    jsonb,
  created_at  timestamptz not null,
  primary key (api_key_id, key)
);
-- The oldest go first: keys are kept a stated time (http.idempotencyKeyHours).
create index idempotency_key_by_age on idempotency_key (created_at);
