-- Owner: auth.
set local role yard_owner;

create table platform.tenants (
    id uuid primary key,
    slug text not null unique check (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    name text not null check (length(name) between 1 and 120),
    state text not null check (state in ('requested', 'ready', 'suspended', 'closed')),
    created_at timestamptz not null default clock_timestamp()
);

-- People are of the platform, devices of one tenant.
create table platform.principals (
    id uuid primary key,
    kind text not null check (kind in ('person', 'device')),
    tenant_id uuid references platform.tenants (id),
    display_name text not null check (length(display_name) <= 120),
    disabled_at timestamptz,
    created_at timestamptz not null default clock_timestamp(),
    check ((kind = 'device') = (tenant_id is not null))
);

create table platform.people (
    principal_id uuid primary key references platform.principals (id),
    -- Lower case.
    email text not null unique check (email = lower(email) and length(email) <= 254),
    password_hash text not null,
    system_administrator boolean not null default false
);

create table platform.memberships (
    tenant_id uuid not null references platform.tenants (id),
    principal_id uuid not null references platform.people (principal_id),
    role text not null check (role in ('owner', 'operator', 'viewer')),
    created_at timestamptz not null default clock_timestamp(),
    primary key (tenant_id, principal_id)
);
create index memberships_by_principal on platform.memberships (principal_id);

create table platform.sessions (
    id uuid primary key,
    -- SHA-256 of the opaque token.
    token_hash bytea not null unique check (length(token_hash) = 32),
    principal_id uuid not null references platform.people (principal_id),
    -- Null for a system administrator.
    tenant_id uuid references platform.tenants (id),
    created_at timestamptz not null,
    expires_at timestamptz not null,
    revoked_at timestamptz
);
create index sessions_by_principal on platform.sessions (principal_id);

create table platform.claim_codes (
    code_hash bytea primary key check (length(code_hash) = 32),
    tenant_id uuid not null references platform.tenants (id),
    device_id uuid not null references platform.principals (id),
    created_by text not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    used_at timestamptz
);
create index claim_codes_by_device on platform.claim_codes (tenant_id, device_id);

create table platform.device_certificates (
    -- Lower-case hexadecimal.
    serial text primary key,
    tenant_id uuid not null references platform.tenants (id),
    device_id uuid not null references platform.principals (id),
    certificate_pem text not null,
    not_before timestamptz not null,
    not_after timestamptz not null,
    revoked_at timestamptz
);
create index device_certificates_by_device
    on platform.device_certificates (tenant_id, device_id, not_before desc, serial);
create index device_certificates_revoked
    on platform.device_certificates (not_after) where revoked_at is not null;

-- One row: the number of the last revocation list, so that it only grows.
create table platform.revocation_list (
    only_row boolean primary key default true check (only_row),
    number bigint not null
);
insert into platform.revocation_list (number) values (0);

alter table platform.principals enable row level security, force row level security;
alter table platform.memberships enable row level security, force row level security;
alter table platform.sessions enable row level security, force row level security;
alter table platform.claim_codes enable row level security, force row level security;
alter table platform.device_certificates enable row level security, force row level security;

create policy tenant_or_platform on platform.principals
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());
create policy tenant_or_platform on platform.memberships
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());
create policy tenant_or_platform on platform.sessions
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());
create policy tenant_or_platform on platform.claim_codes
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());
create policy tenant_or_platform on platform.device_certificates
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());

grant select on platform.tenants to yard_auth;
grant select, insert, update on platform.principals, platform.people, platform.memberships,
    platform.sessions, platform.claim_codes, platform.device_certificates to yard_auth;
grant select, update on platform.revocation_list to yard_auth;

reset role;
