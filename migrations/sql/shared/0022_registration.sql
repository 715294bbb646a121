-- Owner: auth. Tenants that people ask for by themselves.
set local role yard_owner;

create table platform.registrations (
    id uuid primary key,
    -- In the state `requested` until the address is proved: it holds the slug meanwhile.
    tenant_id uuid not null unique references platform.tenants (id),
    -- Lower case; the domain as it is on the wire.
    email text not null check (length(email) <= 254),
    locale text check (length(locale) between 2 and 35),
    -- SHA-256 of what the mail's link holds, and of what whoever asked watches it by.
    token_hash bytea not null unique check (length(token_hash) = 32),
    watch_hash bytea not null unique check (length(watch_hash) = 32),
    created_at timestamptz not null,
    expires_at timestamptz not null,
    verified_at timestamptz
);
create index registrations_open on platform.registrations (expires_at) where verified_at is null;
create index registrations_by_email on platform.registrations (email, created_at);

alter table platform.registrations enable row level security, force row level security;
create policy tenant_or_platform on platform.registrations
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());
grant select, insert, update, delete on platform.registrations to yard_auth;

-- A tenant that nobody proved an address for may go; every other stays for ever, with its slug.
create function platform.keep_tenant() returns trigger
    language plpgsql
    set search_path = ''
as $$
begin
    if old.state <> 'requested' then
        raise exception 'a tenant that was made is closed, not deleted' using errcode = '42501';
    end if;
    return old;
end
$$;
create trigger tenant_stays before delete on platform.tenants
    for each row execute function platform.keep_tenant();
grant delete on platform.tenants to yard_auth;

reset role;
