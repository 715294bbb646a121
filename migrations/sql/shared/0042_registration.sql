-- Owner: auth. Tenants that people ask for by themselves (ADR 0035).
set local role yard_owner;

create table platform.registrations (
    id uuid primary key,
    -- Null until the link is confirmed.
    tenant_id uuid unique references platform.tenants (id),
    -- Lower case; the domain as it is on the wire.
    email text not null check (length(email) <= 254),
    display_name text not null check (length(display_name) between 1 and 120),
    tenant_name text not null check (length(tenant_name) between 1 and 120),
    -- A wish until the link is confirmed, and what the tenant got after.
    tenant_slug text not null check (length(tenant_slug) between 1 and 63),
    locale text check (length(locale) between 2 and 35),
    asked_at timestamptz not null,
    -- Answered with silence: the address had links enough.
    dropped_at timestamptz,
    mailed_at timestamptz,
    -- SHA-256 of what the mail's link holds.
    token_hash bytea unique check (length(token_hash) = 32),
    expires_at timestamptz not null,
    tries integer not null default 0 check (tries >= 0),
    confirmed_at timestamptz,
    begun_at timestamptz,
    -- When making the schema failed last; null once it did not.
    failed_at timestamptz,
    ready_at timestamptz,
    check ((token_hash is null) = (mailed_at is null)),
    check (dropped_at is null or mailed_at is null),
    check ((confirmed_at is null) = (tenant_id is null)),
    check (confirmed_at is null or mailed_at is not null)
);
create index registrations_waiting on platform.registrations (id)
    where mailed_at is null and dropped_at is null;
create index registrations_by_email on platform.registrations (email, mailed_at);
create index registrations_by_time on platform.registrations (asked_at);
create index registrations_confirmed on platform.registrations (confirmed_at)
    where confirmed_at is not null;
create index registrations_by_end on platform.registrations (expires_at);

alter table platform.registrations enable row level security, force row level security;
create policy tenant_or_platform on platform.registrations
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());
grant select, insert, update, delete on platform.registrations to yard_auth;

-- Anybody may have made it: its providers bring nobody in until an operator has looked at it.
alter table platform.tenants add column self_registered boolean not null default false;

reset role;
