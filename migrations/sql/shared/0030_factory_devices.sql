-- Owner: auth. Devices that enrol with a certificate of their manufacturer.

set local role yard_owner;

create table platform.factory_authorities (
    id uuid primary key,
    tenant_id uuid not null references platform.tenants (id),
    name text not null check (length(name) between 1 and 120),
    -- DER.
    certificate bytea not null check (length(certificate) <= 8192),
    -- Its subject, DER: what a device's certificate names as its issuer.
    issuer_name bytea not null,
    -- The same for people.
    subject text not null,
    -- SHA-256 of the certificate.
    fingerprint bytea not null check (length(fingerprint) = 32),
    -- SHA-256 of its public key: what signs is the key, however many certificates it has.
    key_sha256 bytea not null check (length(key_sha256) = 32),
    not_after timestamptz not null,
    created_at timestamptz not null,
    created_by text not null,
    withdrawn_at timestamptz
);
-- A manufacturer's device belongs to one tenant: nobody has to guess whose.
create unique index factory_authorities_key
    on platform.factory_authorities (key_sha256) where withdrawn_at is null;
create index factory_authorities_by_name
    on platform.factory_authorities (issuer_name) where withdrawn_at is null;
create index factory_authorities_by_tenant
    on platform.factory_authorities (tenant_id, created_at desc, id desc);

-- Serial numbers that may enrol once.
create table platform.expected_devices (
    tenant_id uuid not null references platform.tenants (id),
    serial text not null check (length(serial) between 1 and 120),
    device_id uuid not null unique references platform.principals (id),
    created_at timestamptz not null,
    used_at timestamptz,
    primary key (tenant_id, serial)
);

alter table platform.factory_authorities enable row level security, force row level security;
alter table platform.expected_devices enable row level security, force row level security;
create policy tenant_or_platform on platform.factory_authorities
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());
create policy tenant_or_platform on platform.expected_devices
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());

grant select, insert, update on platform.factory_authorities, platform.expected_devices to yard_auth;
grant delete on platform.expected_devices to yard_auth;

reset role;
