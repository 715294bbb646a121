-- Owner: auth. Signing keys, API tokens, and what has ended before its time.
set local role yard_owner;

-- What every service has to be told. A row stands here as soon as what it tells of is committed,
-- because the triggers below write it in the same transaction; auth puts it into the feed.
create table platform.revocations (
    id bigint generated always as identity primary key,
    kind text not null check (kind in ('session', 'person', 'tenant', 'api-token', 'key')),
    tenant_id uuid,
    -- A UUID, or the id of a key.
    subject text not null check (length(subject) <= 128),
    created_at timestamptz not null default clock_timestamp(),
    -- Taken after the commit, so that nothing that was read before it counts as issued later.
    effective_at timestamptz,
    -- Its place in the feed; null until it is there.
    stream_sequence bigint
);
create index revocations_unpublished on platform.revocations (id) where stream_sequence is null;
create index revocations_by_time on platform.revocations (created_at);

-- Keys of people's access tokens.
create table platform.signing_keys (
    kid text primary key check (kid like 'issuer:%' and length(kid) <= 80),
    -- Base64url.
    public_x text not null,
    state text not null check (state in ('pending', 'active', 'retiring', 'revoked')),
    -- The private half, sealed; destroyed with its revocation.
    sealed bytea,
    created_at timestamptz not null,
    activated_at timestamptz,
    retired_at timestamptz,
    revoked_at timestamptz,
    reason text not null default '' check (length(reason) <= 200),
    changed_at timestamptz not null default clock_timestamp(),
    check ((state = 'revoked') = (sealed is null))
);
create unique index signing_keys_one_active on platform.signing_keys (state) where state = 'active';
create unique index signing_keys_one_pending on platform.signing_keys (state) where state = 'pending';

create table platform.api_tokens (
    id uuid primary key,
    -- SHA-256 of the whole token.
    token_hash bytea not null check (length(token_hash) = 32),
    principal_id uuid not null references platform.people (principal_id),
    -- Null for a system administrator.
    tenant_id uuid references platform.tenants (id),
    name text not null check (length(name) between 1 and 100),
    abilities text[] not null check (cardinality(abilities) between 1 and 64),
    created_at timestamptz not null,
    expires_at timestamptz not null,
    last_used_at timestamptz,
    revoked_at timestamptz
);
create index api_tokens_by_owner on platform.api_tokens (principal_id, id desc);

alter table platform.revocations enable row level security, force row level security;
alter table platform.api_tokens enable row level security, force row level security;
create policy tenant_or_platform on platform.revocations
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());
create policy tenant_or_platform on platform.api_tokens
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());

grant select, insert, update, delete on platform.revocations to yard_auth;
grant select, insert, update on platform.signing_keys, platform.api_tokens to yard_auth;

-- Whoever ends something need not know of the feed, and cannot forget it.
create function platform.note_session_end() returns trigger language plpgsql as $$
begin
    insert into platform.revocations (kind, tenant_id, subject)
        values ('session', old.tenant_id, old.id::text);
    return null;
end $$;
create trigger session_revoked after update of revoked_at on platform.sessions
    for each row when (old.revoked_at is null and new.revoked_at is not null)
    execute function platform.note_session_end();
create trigger session_deleted after delete on platform.sessions
    for each row when (old.revoked_at is null)
    execute function platform.note_session_end();

create function platform.note_api_token_end() returns trigger language plpgsql as $$
begin
    insert into platform.revocations (kind, tenant_id, subject)
        values ('api-token', old.tenant_id, old.id::text);
    return null;
end $$;
create trigger api_token_revoked after update of revoked_at on platform.api_tokens
    for each row when (old.revoked_at is null and new.revoked_at is not null)
    execute function platform.note_api_token_end();

create function platform.note_principal_change() returns trigger language plpgsql as $$
begin
    insert into platform.revocations (kind, subject) values ('person', old.id::text);
    return null;
end $$;
create trigger person_disabled after update of disabled_at on platform.principals
    for each row when (old.kind = 'person' and old.disabled_at is distinct from new.disabled_at)
    execute function platform.note_principal_change();

create function platform.note_person_change() returns trigger language plpgsql as $$
begin
    insert into platform.revocations (kind, subject) values ('person', old.principal_id::text);
    return null;
end $$;
create trigger administrator_changed after update of system_administrator on platform.people
    for each row when (old.system_administrator is distinct from new.system_administrator)
    execute function platform.note_person_change();

create function platform.note_membership_change() returns trigger language plpgsql as $$
begin
    insert into platform.revocations (kind, tenant_id, subject)
        values ('person', old.tenant_id, old.principal_id::text);
    return null;
end $$;
create trigger membership_changed after update of role on platform.memberships
    for each row when (old.role is distinct from new.role)
    execute function platform.note_membership_change();
create trigger membership_ended after delete on platform.memberships
    for each row execute function platform.note_membership_change();

create function platform.note_tenant_change() returns trigger language plpgsql as $$
begin
    insert into platform.revocations (kind, tenant_id, subject)
        values ('tenant', old.id, old.id::text);
    return null;
end $$;
create trigger tenant_changed after update of state on platform.tenants
    for each row when (old.state is distinct from new.state)
    execute function platform.note_tenant_change();

create function platform.note_key_change() returns trigger language plpgsql as $$
begin
    insert into platform.revocations (kind, subject) values ('key', old.kid);
    return null;
end $$;
-- A key that has come to the end of its life signed nothing that is still valid.
create trigger key_withdrawn after update of state on platform.signing_keys
    for each row when (new.state = 'revoked' and old.state <> 'revoked' and new.reason <> 'expired')
    execute function platform.note_key_change();

reset role;
