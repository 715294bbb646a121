-- Owner: scheduler. The platform's own schedules; no tenant's data.
set local role yard_owner;

create table platform.leases (
    name text primary key,
    holder text not null,
    epoch bigint not null,
    expires_at timestamptz not null
);

create table platform.schedules (
    name text primary key check (name ~ '^[a-z][a-z0-9-]{0,62}$'),
    cron text not null,
    time_zone text not null,
    queue text not null,
    job_kind text not null,
    -- After a pause: fire once if that is no longer ago than this, else wait for the next time.
    starting_deadline interval not null,
    paused boolean not null default false,
    next_fire_at timestamptz,
    last_fire_at timestamptz
);

create table platform.fires (
    id uuid primary key,
    schedule text not null references platform.schedules (name),
    planned_at timestamptz not null,
    fired_at timestamptz not null,
    epoch bigint not null,
    cause text not null check (cause in ('plan', 'catch-up', 'by hand')),
    -- Two leaders cannot double a fire, whatever their clocks say.
    unique (schedule, planned_at)
);
create index fires_newest on platform.fires (schedule, fired_at desc, id desc);

create table platform.scheduler_outbox (
    id uuid primary key,
    tenant_id uuid,
    subject text not null,
    payload bytea not null,
    traceparent text,
    created_at timestamptz not null,
    sent_at timestamptz,
    stream_sequence bigint
);
create index scheduler_outbox_unsent
    on platform.scheduler_outbox (created_at, id) where sent_at is null;
create index scheduler_outbox_sent on platform.scheduler_outbox (sent_at) where sent_at is not null;

alter table platform.scheduler_outbox enable row level security, force row level security;
create policy tenant_or_platform on platform.scheduler_outbox
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());

grant select, insert, update on platform.leases, platform.schedules, platform.fires
    to yard_scheduler;
grant delete on platform.fires to yard_scheduler;
grant select, insert, update, delete on platform.scheduler_outbox to yard_scheduler;

reset role;
