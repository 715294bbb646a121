-- Owner: auth. Clients of our own token issuer, codes, and families of refresh tokens.
set local role yard_owner;

create table platform.oauth_clients (
    id uuid primary key,
    tenant_id uuid not null references platform.tenants (id),
    name text not null check (length(name) between 1 and 100),
    redirect_uris text[] not null check (cardinality(redirect_uris) between 1 and 16),
    abilities text[] not null check (cardinality(abilities) <= 64),
    -- Its people are not asked for consent.
    first_party boolean not null,
    created_by text not null,
    created_at timestamptz not null,
    deleted_at timestamptz
);
create index oauth_clients_by_tenant on platform.oauth_clients (tenant_id, id desc);

-- What a client was granted. Each grant is a session of its own, so that whatever ends sessions
-- ends it, and everything made from it, by the same feed.
create table platform.oauth_families (
    -- Random, and nowhere but in the family's refresh tokens: who names it had one.
    id uuid primary key,
    session_id uuid not null unique references platform.sessions (id) on delete cascade,
    tenant_id uuid not null references platform.tenants (id),
    client_id uuid not null references platform.oauth_clients (id),
    scopes text[] not null check (cardinality(scopes) <= 96),
    auth_time timestamptz not null,
    amr text[] not null,
    -- The session's end moves with every use, but not beyond this.
    ends_at timestamptz not null,
    -- SHA-256 of the refresh token in force; null for a grant that cannot be refreshed.
    leaf_hash bytea check (length(leaf_hash) = 32),
    -- The one before it, and the one in force, sealed, for who did not get the answer.
    previous_hash bytea check (length(previous_hash) = 32),
    successor_sealed bytea,
    rotated_at timestamptz,
    rotations bigint not null default 0,
    check ((previous_hash is null) = (successor_sealed is null)),
    check ((previous_hash is null) = (rotated_at is null))
);
create index oauth_families_by_client on platform.oauth_families (client_id);

create table platform.oauth_codes (
    code_hash bytea primary key check (length(code_hash) = 32),
    tenant_id uuid not null references platform.tenants (id),
    client_id uuid not null references platform.oauth_clients (id),
    principal_id uuid not null references platform.people (principal_id),
    -- Of the browser: the code dies with it.
    browser_session_id uuid not null references platform.sessions (id) on delete cascade,
    redirect_uri text not null,
    -- S256.
    code_challenge text not null check (length(code_challenge) = 43),
    scopes text[] not null check (cardinality(scopes) <= 96),
    nonce text check (length(nonce) <= 256),
    auth_time timestamptz not null,
    amr text[] not null,
    expires_at timestamptz not null,
    used_at timestamptz,
    -- What it was used for.
    session_id uuid references platform.sessions (id) on delete cascade
);
create index oauth_codes_by_expiry on platform.oauth_codes (expires_at);

alter table platform.oauth_clients enable row level security, force row level security;
alter table platform.oauth_families enable row level security, force row level security;
alter table platform.oauth_codes enable row level security, force row level security;
create policy tenant_or_platform on platform.oauth_clients
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());
create policy tenant_or_platform on platform.oauth_families
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());
create policy tenant_or_platform on platform.oauth_codes
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());

grant select, insert, update on platform.oauth_clients, platform.oauth_families to yard_auth;
grant select, insert, update, delete on platform.oauth_codes to yard_auth;

reset role;
