-- Owner: auth. Identity providers change in place, and rest without being taken away (ADR 0027).
set local role yard_owner;

alter table platform.identity_providers
    -- Lets nobody in; whom it brought stays known.
    add column disabled_at timestamptz,
    -- Null until it was changed.
    add column changed_at timestamptz,
    -- Counts changes: a sign-in that began to be checked by other settings than stand is refused.
    add column version integer not null default 1;

reset role;
