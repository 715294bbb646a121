-- Owner: auth. When sessions were last used, and the token that a session had before.
set local role yard_owner;

alter table platform.sessions
    -- Exact to a minute; null until the first use after the beginning.
    add column last_used_at timestamptz,
    -- A session that proves itself anew gets another token. Requests that were under way may still
    -- come with the one before, for some seconds, and are worth what they were worth before.
    add column previous_hash bytea check (length(previous_hash) = 32),
    add column previous_auth_time timestamptz,
    add column previous_amr text[],
    add column rotated_at timestamptz,
    add check (num_nulls(previous_hash, previous_auth_time, previous_amr, rotated_at) in (0, 4));
create unique index sessions_by_previous_hash on platform.sessions (previous_hash)
    where previous_hash is not null;
create index sessions_by_use on platform.sessions ((coalesce(last_used_at, created_at)))
    where revoked_at is null;

reset role;
