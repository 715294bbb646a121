-- Owner: auth (tenants); the migrator fills tenant_migrations, and migrate_tenant() keeps
-- tenant_schemas.

-- A tenant's schema is made while the services run, so not by somebody at a shell. Making it needs the
-- owner's rights, which no service has: auth may only call the function below, which can do nothing
-- but apply the released files.
do $$
begin
    execute format('grant create on database %I to yard_owner', current_database());
end
$$;

set local role yard_owner;

alter table platform.tenants
    drop constraint tenants_state_check,
    add constraint tenants_state_check check (state in
        ('requested', 'provisioning', 'ready', 'suspended', 'closing', 'closed')),
    add column plan text not null default 'standard'
        check (plan ~ '^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$'),
    -- What departs from the plan: limit name to number.
    add column limits jsonb not null default '{}' check (jsonb_typeof(limits) = 'object'),
    add column time_zone text not null default 'UTC' check (length(time_zone) between 1 and 64),
    add column locale text not null default 'en' check (length(locale) between 2 and 35),
    add column state_changed_at timestamptz not null default clock_timestamp(),
    -- Who changed it: a principal's subject; empty for the platform itself.
    add column state_changed_by text not null default '',
    -- Why it is suspended or being closed; shown to its members.
    add column state_reason text not null default '' check (length(state_reason) <= 500);

-- The files of sql/tenant, as released.
create table platform.tenant_migrations (
    version bigint primary key check (version > 0),
    description text not null,
    sql text not null,
    checksum bytea not null
);

-- How far each tenant's schema is.
create table platform.tenant_schemas (
    tenant_id uuid primary key references platform.tenants (id),
    version bigint not null default 0,
    -- Why the last try failed; empty when it did not.
    error text not null default '',
    took_ms integer not null default 0,
    updated_at timestamptz not null default clock_timestamp()
);
create index tenant_schemas_by_version on platform.tenant_schemas (version);

alter table platform.tenant_schemas enable row level security, force row level security;
create policy tenant_or_platform on platform.tenant_schemas
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());

-- Brings one tenant's schema to the newest version, or to `upto`, in the caller's transaction: all of
-- it or nothing. Returns how many files were applied. The setting on the function gives the caller's
-- search_path back whatever happens.
create function platform.migrate_tenant(tenant uuid, upto bigint default null) returns integer
    language plpgsql security definer
    set search_path = pg_catalog
as $$
declare
    own_schema text := 'ts_' || replace(tenant::text, '-', '');
    platform_before text := coalesce(current_setting('app.platform', true), '');
    began timestamptz := clock_timestamp();
    applied integer := 0;
    step record;
begin
    perform set_config('app.platform', 'on', true);
    -- One at a time for one tenant; different tenants do not wait for each other.
    perform pg_advisory_xact_lock(7204, hashtext(tenant::text));
    if not exists (select from platform.tenants where id = tenant and state <> 'closed') then
        raise exception 'there is no tenant % to migrate', tenant using errcode = 'no_data_found';
    end if;
    if to_regnamespace(own_schema) is null then
        execute format('create schema %I', own_schema);
        execute format('grant usage on schema %I to yard_ingest, yard_worker', own_schema);
    end if;
    insert into platform.tenant_schemas (tenant_id) values (tenant) on conflict do nothing;
    for step in
        select m.version, m.sql
        from platform.tenant_migrations m, platform.tenant_schemas s
        where s.tenant_id = tenant and m.version > s.version and m.version <= coalesce(upto, m.version)
        order by m.version
    loop
        perform set_config('search_path', format('%I, pg_catalog', own_schema), true);
        execute step.sql;
        perform set_config('search_path', 'pg_catalog', true);
        update platform.tenant_schemas set version = step.version where tenant_id = tenant;
        applied := applied + 1;
    end loop;
    update platform.tenant_schemas
    set error = '', updated_at = clock_timestamp(),
        took_ms = (1000 * extract(epoch from clock_timestamp() - began))::integer
    where tenant_id = tenant and (applied > 0 or error <> '');
    perform set_config('app.platform', platform_before, true);
    return applied;
end
$$;

-- What was deleted of a closed tenant.
create table platform.tenant_closures (
    tenant_id uuid primary key references platform.tenants (id),
    closed_at timestamptz not null,
    closed_by text not null,
    -- [{"relation", "rows"}], in the order of deletion.
    relations jsonb not null
);
alter table platform.tenant_closures enable row level security, force row level security;
create policy tenant_or_platform on platform.tenant_closures
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());

-- Deletes one tenant's rows of one table, whatever has to go before them; null when another table's
-- rows still point at them.
create function platform.delete_tenant_rows(tenant uuid, relation regclass) returns bigint
    language plpgsql
    set search_path = pg_catalog
as $$
declare
    gone bigint;
begin
    execute format('delete from %s where tenant_id = $1', relation) using tenant;
    get diagnostics gone = row_count;
    return gone;
exception when foreign_key_violation then
    return null;
end
$$;
revoke all on function platform.delete_tenant_rows(uuid, regclass) from public;

-- Deletes a tenant: its schema, its rows in the shared series and in every table of the platform.
-- What stays: its own row, so that id and slug are never given again; its devices' certificates,
-- revoked, because the revocation list needs them until they end, and the principals that they name,
-- without their names; the audit trail; the proof. Only for a tenant that is being closed.
create function platform.drop_tenant_data(tenant uuid)
    returns table (relation text, dropped_rows bigint)
    language plpgsql security definer
    set search_path = pg_catalog
as $$
declare
    own_schema text := 'ts_' || replace(tenant::text, '-', '');
    platform_before text := coalesce(current_setting('app.platform', true), '');
    tenant_before text := coalesce(current_setting('app.tenant_id', true), '');
    left_over regclass[];
    still regclass[];
    part regclass;
begin
    perform set_config('app.platform', 'on', true);
    perform set_config('app.tenant_id', tenant::text, true);
    perform pg_advisory_xact_lock(7204, hashtext(tenant::text));
    if not exists (select from platform.tenants where id = tenant and state = 'closing') then
        raise exception 'tenant % is not being closed', tenant using errcode = 'no_data_found';
    end if;

    for part in
        select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = own_schema and c.relkind in ('r', 'p') and not c.relispartition
        order by c.relname
    loop
        relation := part::text;
        execute format('select count(*) from %s', part) into dropped_rows;
        return next;
    end loop;
    execute format('drop schema if exists %I cascade', own_schema);

    update platform.device_certificates set revoked_at = clock_timestamp()
        where tenant_id = tenant and revoked_at is null;
    update platform.principals set display_name = '', disabled_at = coalesce(disabled_at, clock_timestamp())
        where tenant_id = tenant;
    select array_agg(c.oid::regclass order by n.nspname, c.relname) into left_over
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('platform', 'series') and c.relkind in ('r', 'p') and not c.relispartition
            and c.relname not in ('principals', 'device_certificates', 'tenant_closures')
            and c.relname not like 'audit%'
            and exists (select from pg_attribute a where a.attrelid = c.oid
                and a.attname = 'tenant_id' and not a.attisdropped);
    -- Tables that others point at come in a later round.
    while array_length(left_over, 1) > 0 loop
        still := '{}';
        foreach part in array left_over loop
            dropped_rows := platform.delete_tenant_rows(tenant, part);
            if dropped_rows is null then
                still := still || part;
            else
                relation := part::text;
                return next;
            end if;
        end loop;
        if array_length(still, 1) = array_length(left_over, 1) then
            raise exception 'rows of % keep each other', still;
        end if;
        left_over := still;
    end loop;
    perform set_config('app.platform', platform_before, true);
    perform set_config('app.tenant_id', tenant_before, true);
end
$$;

revoke all on function platform.migrate_tenant(uuid, bigint) from public;
revoke all on function platform.drop_tenant_data(uuid) from public;
grant execute on function platform.migrate_tenant(uuid, bigint) to yard_auth;
grant execute on function platform.drop_tenant_data(uuid) to yard_auth;
grant insert, update on platform.tenants to yard_auth;
grant select on platform.tenant_schemas to yard_auth;
grant select on platform.tenant_migrations to yard_auth;
grant select, insert on platform.tenant_closures to yard_auth;

reset role;

-- Schemas that the migrator of the first release made have a table of applied files of their own.
do $$
declare
    tenant uuid;
    own_table regclass;
    have bigint;
begin
    perform set_config('app.platform', 'on', true);
    for tenant in select id from platform.tenants loop
        own_table := to_regclass('ts_' || replace(tenant::text, '-', '') || '._sqlx_migrations');
        continue when own_table is null;
        execute format('select coalesce(max(version), 0) from %s where success', own_table) into have;
        insert into platform.tenant_schemas (tenant_id, version) values (tenant, have);
        execute format('drop table %s', own_table);
    end loop;
    perform set_config('app.platform', '', true);
end
$$;
