-- Owner: auth. Second factors, and sign-ins that wait for one.
set local role yard_owner;

alter table platform.sessions
    -- When its person last proved who they are. Null for a session that a release opened which did
    -- not keep it: then its beginning counts.
    add column auth_time timestamptz,
    -- How (RFC 8176). 'mfa' decides whether a second factor was shown.
    add column amr text[] not null default '{pwd}' check (cardinality(amr) between 1 and 16),
    -- What its client called itself, in a few words, and the network it came from.
    add column client text not null default '' check (length(client) <= 64),
    add column network text not null default '' check (length(network) <= 64);

-- An API token is as good as the session that made it.
alter table platform.api_tokens
    add column multi_factor boolean not null default false;

alter table platform.tenants
    add column second_factor_required boolean not null default false;

-- Sessions and API tokens of the tenant are looked at again.
create trigger tenant_second_factor after update of second_factor_required on platform.tenants
    for each row when (old.second_factor_required is distinct from new.second_factor_required)
    execute function platform.note_tenant_change();

-- Secrets of authenticator apps (RFC 6238). One that is in force, and one that waits for its first
-- code, for each person at most.
create table platform.totp_secrets (
    id uuid primary key,
    principal_id uuid not null references platform.people (principal_id) on delete cascade,
    -- Sealed, bound to the row's id.
    secret bytea not null,
    created_at timestamptz not null,
    confirmed_at timestamptz,
    -- The last time step whose code was taken. It only grows, so no code is taken twice.
    last_step bigint not null default 0
);
create unique index totp_secrets_in_force on platform.totp_secrets (principal_id)
    where confirmed_at is not null;
create unique index totp_secrets_waiting on platform.totp_secrets (principal_id)
    where confirmed_at is null;

-- For who has lost their other factors. Each is random enough for a plain hash.
create table platform.recovery_codes (
    principal_id uuid not null references platform.people (principal_id) on delete cascade,
    -- SHA-256 of principal and code.
    code_hash bytea not null check (length(code_hash) = 32),
    created_at timestamptz not null,
    used_at timestamptz,
    primary key (principal_id, code_hash)
);

-- What has been begun and waits for a proof; gone once it has been used.
create table platform.challenges (
    -- SHA-256 of the opaque token.
    token_hash bytea primary key check (length(token_hash) = 32),
    purpose text not null check (purpose in
        ('second-factor', 'passkey-sign-in', 'passkey-registration', 're-authentication')),
    -- Null where nobody knows yet who it will be.
    principal_id uuid references platform.people (principal_id) on delete cascade,
    tenant_id uuid references platform.tenants (id),
    -- What has been shown so far (RFC 8176).
    amr text[] not null default '{}',
    tries smallint not null default 0,
    created_at timestamptz not null,
    expires_at timestamptz not null
);
create index challenges_by_end on platform.challenges (expires_at);
create index challenges_by_person on platform.challenges (principal_id);

-- Who has just been given another password did not begin what waits with it.
create function platform.drop_challenges() returns trigger language plpgsql as $$
begin
    delete from platform.challenges where principal_id = old.principal_id;
    return null;
end $$;
create trigger password_changed after update of password_hash on platform.people
    for each row when (old.password_hash is distinct from new.password_hash)
    execute function platform.drop_challenges();

alter table platform.totp_secrets enable row level security, force row level security;
alter table platform.recovery_codes enable row level security, force row level security;
alter table platform.challenges enable row level security, force row level security;
create policy platform_only on platform.totp_secrets
    using (platform.is_platform()) with check (platform.is_platform());
create policy platform_only on platform.recovery_codes
    using (platform.is_platform()) with check (platform.is_platform());
create policy tenant_or_platform on platform.challenges
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());

grant select, insert, update, delete on platform.totp_secrets, platform.recovery_codes,
    platform.challenges to yard_auth;

reset role;
