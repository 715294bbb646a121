-- Owner: auth. Certificates that are renewed, and devices that renewed too late.

set local role yard_owner;

alter table platform.device_certificates
    -- SHA-256 of the public key. `key_sha256` holds it too, but only in the first certificate of a
    -- key: that column's uniqueness is what keeps a key from a second device.
    add column public_key_sha256 bytea,
    -- The certificate whose key asked for this one.
    add column renews text references platform.device_certificates (serial),
    -- A later one has taken its place; at this time it is revoked.
    add column superseded_at timestamptz;

update platform.device_certificates set public_key_sha256 = key_sha256;

-- A renewal that is asked for again is answered with what it gave the first time.
create unique index device_certificates_renewal
    on platform.device_certificates (renews, public_key_sha256) where renews is not null;
create index device_certificates_superseded
    on platform.device_certificates (superseded_at)
    where superseded_at is not null and revoked_at is null;

create table platform.device_standing (
    device_id uuid primary key references platform.principals (id),
    tenant_id uuid not null references platform.tenants (id),
    state text not null check (state in ('waiting', 'approved', 'refused')),
    since timestamptz not null,
    -- Who decided; null while it waits.
    decided_by text,
    -- Grows with every change; device-ingest has been told of that many.
    version bigint not null default 1,
    told bigint not null default 0
);
create index device_standing_waiting
    on platform.device_standing (tenant_id, since, device_id) where state = 'waiting';
create index device_standing_untold
    on platform.device_standing (since) where told < version;

alter table platform.device_standing enable row level security, force row level security;
create policy tenant_or_platform on platform.device_standing
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());

grant select, insert, update on platform.device_standing to yard_auth;

reset role;
