-- What happened, in one order, for those outside who follow: a consumer resumes after the last seq it saw.
-- Writers take an advisory lock before they draw a seq, so a seq that is visible has no invisible one below it.
create table event (
  seq     bigint generated always as identity primary key,
  at      timestamptz not null,
  type    text not null check (type ~ '^[a-z_]+(\.[a-z_]+)+$'),
  subject text not null,
  data    jsonb not null
);
create index event_subject on event (subject, seq);
