-- Owner: device-ingest. What it has to know before it knows the tenant.
set local role yard_owner;

create table platform.device_directory (
    device_id uuid primary key,
    tenant_id uuid not null,
    contract_id uuid not null,
    created_at timestamptz not null default clock_timestamp()
);
create index device_directory_by_tenant on platform.device_directory (tenant_id);

create table platform.device_presence (
    device_id uuid primary key references platform.device_directory (device_id),
    tenant_id uuid not null,
    state text not null check (state in ('online', 'stale', 'offline')),
    -- The device's run that this is about; an older one changes nothing.
    epoch bigint not null,
    cause text not null default '',
    changed_at timestamptz not null,
    last_seen_at timestamptz not null
);
create index device_presence_online
    on platform.device_presence (last_seen_at) where state = 'online';
create index device_presence_by_tenant on platform.device_presence (tenant_id, state);

-- Commands that have not ended, so that a sweep need not visit every tenant.
create table platform.command_deadlines (
    command_id uuid primary key,
    tenant_id uuid not null,
    device_id uuid not null,
    deadline timestamptz not null
);
create index command_deadlines_due on platform.command_deadlines (deadline);

create table platform.ingest_outbox (
    id uuid primary key,
    tenant_id uuid,
    subject text not null,
    payload bytea not null,
    traceparent text,
    created_at timestamptz not null,
    sent_at timestamptz,
    stream_sequence bigint
);
create index ingest_outbox_unsent on platform.ingest_outbox (created_at, id) where sent_at is null;
create index ingest_outbox_sent on platform.ingest_outbox (sent_at) where sent_at is not null;

alter table platform.device_directory enable row level security, force row level security;
alter table platform.device_presence enable row level security, force row level security;
alter table platform.command_deadlines enable row level security, force row level security;
alter table platform.ingest_outbox enable row level security, force row level security;

create policy tenant_or_platform on platform.device_directory
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());
create policy tenant_or_platform on platform.device_presence
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());
create policy tenant_or_platform on platform.command_deadlines
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());
create policy tenant_or_platform on platform.ingest_outbox
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());

grant select, insert, update on platform.device_directory, platform.device_presence to yard_ingest;
grant select, insert, update, delete on platform.command_deadlines, platform.ingest_outbox
    to yard_ingest;

reset role;
