-- Owner: worker.
set local role yard_owner;

-- Shared by all tenants and split by day: partitions of one tenant each would cost a gigabyte of
-- empty catalogue for a hundred tenants.
create table series.telemetry (
    tenant_id uuid not null,
    device_id uuid not null,
    occurred_at timestamptz not null,
    message_id uuid not null,
    received_at timestamptz not null,
    stored_at timestamptz not null default clock_timestamp(),
    epoch bigint not null,
    sequence bigint not null,
    payload jsonb not null,
    primary key (tenant_id, device_id, occurred_at, message_id)
) partition by range (occurred_at);

alter table series.telemetry enable row level security, force row level security;
create policy tenant on series.telemetry
    using (platform.is_tenant(tenant_id)) with check (platform.is_tenant(tenant_id));
grant select, insert on series.telemetry to yard_worker;

create table platform.jobs (
    id uuid primary key,
    queue text not null,
    kind text not null,
    state text not null check (state in ('available', 'running', 'completed', 'dead')),
    arguments jsonb not null,
    attempt integer not null default 0,
    lease_token uuid,
    lease_until timestamptz,
    -- Not before this; moves on after a failure.
    run_at timestamptz not null default clock_timestamp(),
    requested_at timestamptz not null,
    created_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    last_error text not null default ''
);
create index jobs_newest on platform.jobs (created_at desc, id desc);
create index jobs_waiting on platform.jobs (queue, run_at) where state = 'available';
create index jobs_leased on platform.jobs (lease_until) where state = 'running';
create index jobs_finished on platform.jobs (finished_at) where finished_at is not null;
grant select, insert, update, delete on platform.jobs to yard_worker;

-- One partition a day, UTC. The worker may ask for partitions; it may not create tables.
create function series.ensure_telemetry_partitions(days_back integer, days_ahead integer)
    returns integer
    language plpgsql
    security definer
    set search_path = ''
as $$
declare
    day date;
    name text;
    made integer := 0;
begin
    if days_back not between 0 and 31 or days_ahead not between 0 and 31 then
        raise exception 'days_back and days_ahead have to be 0 to 31' using errcode = '22023';
    end if;
    -- Two workers asking at once would both find a day missing.
    perform pg_catalog.pg_advisory_xact_lock(7203, 2);
    for day in
        select d::date from pg_catalog.generate_series(
            (pg_catalog.now() at time zone 'UTC')::date - days_back,
            (pg_catalog.now() at time zone 'UTC')::date + days_ahead,
            interval '1 day') as d
    loop
        name := 'telemetry_' || pg_catalog.to_char(day, 'YYYYMMDD');
        continue when pg_catalog.to_regclass('series.' || name) is not null;
        execute pg_catalog.format(
            'create table series.%I partition of series.telemetry for values from (%L) to (%L)',
            name, day::text || ' 00:00:00+00', (day + 1)::text || ' 00:00:00+00');
        execute pg_catalog.format(
            'alter table series.%I enable row level security, force row level security', name);
        made := made + 1;
    end loop;
    return made;
end
$$;
revoke all on function series.ensure_telemetry_partitions(integer, integer) from public;
grant execute on function series.ensure_telemetry_partitions(integer, integer) to yard_worker;

-- What exists, for the console and the alert on too few days ahead.
create function series.telemetry_partitions()
    returns table (name text, row_estimate bigint, bytes bigint)
    language sql stable
    security definer
    set search_path = ''
begin atomic
    select c.relname::text, c.reltuples::bigint, pg_catalog.pg_total_relation_size(c.oid)
    from pg_catalog.pg_inherits i
    join pg_catalog.pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'series.telemetry'::regclass
    order by 1;
end;
revoke all on function series.telemetry_partitions() from public;
grant execute on function series.telemetry_partitions() to yard_worker;

select series.ensure_telemetry_partitions(8, 7);

reset role;
