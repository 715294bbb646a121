-- Runs in the tenant's own schema (search_path is set), as yard_owner. Owner: device-ingest.
create table contracts (
    id uuid primary key,
    tenant_id uuid not null,
    name text not null check (length(name) between 1 and 120),
    version integer not null check (version > 0),
    telemetry_schema jsonb not null,
    metrics jsonb not null,
    commands jsonb not null,
    created_at timestamptz not null,
    constraint contracts_name_version unique (name, version)
);

create table devices (
    id uuid primary key,
    tenant_id uuid not null,
    name text not null check (length(name) between 1 and 120),
    external_id text check (length(external_id) between 1 and 120),
    contract_id uuid not null references contracts (id),
    labels jsonb not null default '{}',
    -- The request that made it, so that a retry gets the same device.
    idempotency_key text,
    request_hash bytea,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint devices_name unique (name),
    constraint devices_external_id unique (external_id),
    constraint devices_idempotency_key unique (idempotency_key)
);
create index devices_by_contract on devices (contract_id);
-- Prefix search whatever the database's collation.
create index devices_name_prefix on devices (name text_pattern_ops);

create table commands (
    id uuid primary key,
    tenant_id uuid not null,
    device_id uuid not null references devices (id),
    name text not null,
    arguments jsonb not null,
    state text not null check (state in ('queued', 'dispatched', 'delivered', 'acked', 'running',
        'succeeded', 'failed', 'rejected', 'expired', 'cancelled', 'superseded', 'unknown')),
    deadline timestamptz not null,
    created_by text not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    result jsonb,
    idempotency_key text,
    request_hash bytea,
    constraint commands_idempotency_key unique (idempotency_key)
);
create index commands_by_device on commands (device_id, created_at desc, id desc);
create index commands_undelivered on commands (device_id) where state in ('queued', 'dispatched');

create table command_events (
    command_id uuid not null references commands (id),
    tenant_id uuid not null,
    step integer not null,
    state text not null,
    at timestamptz not null,
    actor text not null,
    evidence text not null,
    primary key (command_id, step)
);

create table quarantine (
    message_id uuid primary key,
    tenant_id uuid not null,
    device_id uuid not null,
    topic text not null,
    reason_code text not null,
    pointer text not null,
    detail text not null,
    payload bytea not null,
    received_at timestamptz not null
);
create index quarantine_by_device on quarantine (device_id, received_at desc, message_id desc);

do $$
declare
    name text;
begin
    foreach name in array array['contracts', 'devices', 'commands', 'command_events', 'quarantine']
    loop
        execute format('alter table %I enable row level security, force row level security', name);
        execute format('create policy tenant on %I using (platform.is_tenant(tenant_id)) '
            'with check (platform.is_tenant(tenant_id))', name);
    end loop;
end
$$;

grant select, insert on contracts, command_events, quarantine to yard_ingest;
grant select, insert, update on devices, commands to yard_ingest;

create view telemetry with (security_invoker = true) as
    select tenant_id, device_id, occurred_at, message_id, received_at, stored_at, epoch, sequence,
        payload
    from series.telemetry
    where platform.is_tenant(tenant_id);
grant select on telemetry to yard_worker;
