-- Owner: auth. How people come in, prove their address, and get in again.
set local role yard_owner;

alter table platform.people
    add column email_verified_at timestamptz,
    -- Null: as the tenant's.
    add column locale text check (length(locale) between 2 and 35),
    add column time_zone text check (length(time_zone) between 1 and 64);

create table platform.invitations (
    id uuid primary key,
    tenant_id uuid not null references platform.tenants (id),
    -- Lower case; the domain as it is on the wire.
    email text not null check (length(email) <= 254),
    role text not null,
    -- Null: as the tenant's.
    locale text check (length(locale) between 2 and 35),
    -- SHA-256 of what the newest mail's link holds.
    token_hash bytea not null unique check (length(token_hash) = 32),
    invited_by uuid not null references platform.people (principal_id),
    created_at timestamptz not null,
    mailed_at timestamptz not null,
    expires_at timestamptz not null,
    accepted_at timestamptz,
    accepted_by uuid references platform.people (principal_id),
    withdrawn_at timestamptz,
    check ((accepted_at is null) = (accepted_by is null)),
    check (accepted_at is null or withdrawn_at is null)
);
-- One open invitation for one address.
create unique index invitations_open on platform.invitations (tenant_id, email)
    where accepted_at is null and withdrawn_at is null;
create index invitations_by_age on platform.invitations (tenant_id, id desc);

-- Links that prove an address or let someone choose a password. Stored are hashes only.
create table platform.person_links (
    token_hash bytea primary key check (length(token_hash) = 32),
    kind text not null check (kind in ('password-reset', 'email-verification')),
    principal_id uuid not null references platform.people (principal_id),
    -- The address it was sent to: a link proves no other.
    email text not null check (length(email) <= 254),
    created_at timestamptz not null,
    expires_at timestamptz not null,
    used_at timestamptz
);
create index person_links_by_person on platform.person_links (principal_id, kind, created_at);

-- A change of address that both addresses have to agree to; one for a person.
create table platform.email_changes (
    principal_id uuid primary key references platform.people (principal_id),
    new_email text not null check (new_email = lower(new_email) and length(new_email) <= 254),
    old_token_hash bytea not null unique check (length(old_token_hash) = 32),
    new_token_hash bytea not null unique check (length(new_token_hash) = 32),
    old_confirmed_at timestamptz,
    new_confirmed_at timestamptz,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    -- Done, or given up.
    ended_at timestamptz
);

-- Who asked for a new password: written for every address, so that the answer tells nothing, and
-- looked at a moment later. Sealed, because anyone may type anyone's address.
create table platform.reset_wishes (
    id uuid primary key,
    sealed_email bytea not null,
    created_at timestamptz not null
);

alter table platform.invitations enable row level security, force row level security;
alter table platform.person_links enable row level security, force row level security;
alter table platform.email_changes enable row level security, force row level security;
alter table platform.reset_wishes enable row level security, force row level security;
create policy tenant_or_platform on platform.invitations
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());
create policy platform_only on platform.person_links
    using (platform.is_platform()) with check (platform.is_platform());
create policy platform_only on platform.email_changes
    using (platform.is_platform()) with check (platform.is_platform());
create policy platform_only on platform.reset_wishes
    using (platform.is_platform()) with check (platform.is_platform());

grant select, insert, update, delete on platform.invitations, platform.person_links,
    platform.email_changes to yard_auth;
-- Taking one on locks its row, which asks for the right to change it.
grant select, insert, update, delete on platform.reset_wishes to yard_auth;
grant delete on platform.memberships to yard_auth;

reset role;
