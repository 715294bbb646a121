-- Owner: comms-websocket. Tenants' own apps of the Pusher protocol, and the secrets that their servers
-- sign with.

-- The service's role. Roles are of the whole cluster: another database of it may have made it already.
do $$
begin
    perform pg_advisory_xact_lock(7203, 1);
    if not exists (select from pg_roles where rolname = 'yard_comms') then
        create role yard_comms login nosuperuser nocreatedb nocreaterole nobypassrls;
    end if;
    execute format('alter role yard_comms in database %I set search_path = ''''', current_database());
end
$$;
grant usage on schema platform to yard_comms;

set local role yard_owner;

create table platform.realtime_apps (
    -- In the addresses of the HTTP API. Digits only, as some of Pusher's libraries ask, and not to be
    -- guessed.
    number bigint primary key check (number between 1000000000 and 9999999999),
    tenant_id uuid not null references platform.tenants (id),
    -- In the address of its sockets; public.
    key text not null unique check (key ~ '^[0-9a-f]{20}$'),
    name text not null check (length(name) between 1 and 60),
    -- Takes neither sockets nor publishes.
    disabled_at timestamptz,
    client_events boolean not null,
    client_events_per_second integer not null check (client_events_per_second between 1 and 100),
    allowed_origins text[] not null check (cardinality(allowed_origins) between 1 and 32),
    -- On one instance; 0 leaves it to the instance's own limit.
    max_connections integer not null check (max_connections >= 0),
    max_members integer not null check (max_members between 1 and 1000),
    max_event_bytes integer not null check (max_event_bytes between 1024 and 65536),
    subscription_count boolean not null,
    -- A principal's subject.
    created_by text not null,
    created_at timestamptz not null,
    -- Null until it was changed.
    changed_at timestamptz
);
create index realtime_apps_by_tenant on platform.realtime_apps (tenant_id, name);

-- What is not here is not in force: an ended secret is deleted.
create table platform.realtime_app_secrets (
    id uuid primary key,
    app bigint not null references platform.realtime_apps (number) on delete cascade,
    tenant_id uuid not null references platform.tenants (id),
    -- Two places, so that one secret can take over from another and there is never a third.
    place smallint not null check (place in (1, 2)),
    sealed bytea not null,
    created_at timestamptz not null,
    unique (app, place)
);
create index realtime_app_secrets_by_tenant on platform.realtime_app_secrets (tenant_id);

alter table platform.realtime_apps enable row level security, force row level security;
alter table platform.realtime_app_secrets enable row level security, force row level security;
create policy tenant_or_platform on platform.realtime_apps
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());
create policy tenant_or_platform on platform.realtime_app_secrets
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());

-- Whether a tenant's apps may work: it is neither suspended nor on its way out. comms-websocket has no
-- right on auth's table.
create function platform.tenant_is_open(tenant uuid) returns boolean
    language sql stable security definer
    set search_path = pg_catalog
as $$
    select exists (select from platform.tenants where id = tenant and state = 'ready')
$$;
revoke all on function platform.tenant_is_open(uuid) from public;

grant select, insert, update, delete on platform.realtime_apps to yard_comms;
grant select, insert, update, delete on platform.realtime_app_secrets to yard_comms;
grant execute on function platform.tenant_is_open(uuid) to yard_comms;

insert into platform.export_rules (relation, exported, without, reason) values
    ('realtime_apps', true, '{}', ''),
    ('realtime_app_secrets', false, '{}', 'signs for the tenant''s servers');

reset role;
