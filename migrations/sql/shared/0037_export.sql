-- Owner: auth. A tenant's whole content, read by functions: auth has no right on other services'
-- tables, and these functions read only, and only for the tenant that they are given (ADR 0029).
set local role yard_owner;

-- Tables of the platform that hold tenants' rows, those of later files as well. One that is not listed here is not exported: it may
-- hold what nobody should carry away. An export's manifest names what it leaves out.
create table platform.export_rules (
    relation text primary key,
    exported boolean not null,
    -- Columns that stay behind.
    without text[] not null default '{}',
    -- Why it is not exported.
    reason text not null default '' check (exported = (reason = ''))
);
insert into platform.export_rules (relation, exported, without, reason) values
    ('principals', true, '{}', ''),
    ('memberships', true, '{}', ''),
    ('device_certificates', true, '{}', ''),
    ('device_presence', true, '{}', ''),
    ('api_tokens', true, '{token_hash}', ''),
    ('sessions', false, '{}', 'signs people in'),
    ('claim_codes', false, '{}', 'signs devices in'),
    ('revocations', false, '{}', 'what the services tell each other'),
    ('ingest_outbox', false, '{}', 'what the services tell each other'),
    ('scheduler_outbox', false, '{}', 'what the services tell each other'),
    ('device_directory', false, '{}', 'a copy of the devices'),
    ('command_deadlines', false, '{}', 'a copy of the commands'),
    ('tenant_schemas', false, '{}', 'of the platform, not of the tenant'),
    ('tenant_closures', false, '{}', 'of the platform, not of the tenant'),
    ('tenant_exports', false, '{}', 'of the platform, not of the tenant'),
    ('roles', true, '{}', ''),
    ('departments', true, '{}', ''),
    ('positions', true, '{}', ''),
    ('position_roles', true, '{}', ''),
    ('assignments', true, '{}', ''),
    ('overrides', true, '{}', ''),
    ('break_glass', true, '{session_id}', ''),
    ('invitations', true, '{token_hash}', ''),
    ('device_standing', true, '{}', ''),
    ('oauth_clients', true, '{}', ''),
    ('mails', false, '{}', 'signs people in'),
    ('registrations', false, '{}', 'signs people in'),
    ('challenges', false, '{}', 'signs people in'),
    ('oauth_families', false, '{}', 'signs people in'),
    ('oauth_codes', false, '{}', 'signs people in'),
    ('audit_heads', false, '{}', 'has an export of its own: yard audit export'),
    ('audit_events', false, '{}', 'has an export of its own: yard audit export'),
    ('audit_open', false, '{}', 'has an export of its own: yard audit export'),
    ('audit_anchors', false, '{}', 'has an export of its own: yard audit export'),
    ('audit_subject_keys', false, '{}', 'has an export of its own: yard audit export');

-- Exports that were given to their end.
create table platform.tenant_exports (
    id uuid primary key,
    tenant_id uuid not null references platform.tenants (id),
    -- SHA-256 as its manifest has it.
    digest text not null check (digest ~ '^[0-9a-f]{64}$'),
    record_count bigint not null check (record_count >= 0),
    -- A principal's subject.
    taken_by text not null,
    finished_at timestamptz not null
);
create index tenant_exports_of_tenant on platform.tenant_exports (tenant_id, digest);
alter table platform.tenant_exports enable row level security, force row level security;
create policy tenant_or_platform on platform.tenant_exports
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());
grant select, insert on platform.tenant_exports to yard_auth;

-- The export that the closing of a tenant goes by; 'none' when it was asked for without.
alter table platform.tenants add column closing_export text not null default ''
    check (closing_export ~ '^(|none|[0-9a-f]{64})$');
-- Empty for tenants that were closed before there were exports.
alter table platform.tenant_closures add column export_digest text not null default ''
    check (export_digest ~ '^(|none|[0-9a-f]{64})$');

-- What an export consists of, in its order, and what it leaves out (with the reason).
create function platform.export_relations(tenant uuid)
    returns table (relation text, exported boolean, reason text)
    language plpgsql stable security definer
    set search_path = pg_catalog
as $$
declare
    own_schema text := 'ts_' || replace(tenant::text, '-', '');
begin
    return query
    with holders as (
        select n.nspname::text as schema_name, c.relname::text as table_name
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in (own_schema, 'series', 'platform') and c.relkind in ('r', 'p')
            and not c.relispartition
            and exists (select from pg_attribute a where a.attrelid = c.oid
                and a.attname = 'tenant_id' and not a.attisdropped)
        union all select 'platform', 'tenants'
    )
    select case when h.schema_name = own_schema then 'tenant' else h.schema_name end
            || '.' || h.table_name,
        h.schema_name <> 'platform' or h.table_name = 'tenants' or coalesce(r.exported, false),
        case when h.schema_name <> 'platform' or h.table_name = 'tenants' then ''
            else coalesce(r.reason, 'nobody has said that it may leave') end
    from holders h left join platform.export_rules r
        on h.schema_name = 'platform' and r.relation = h.table_name
    order by h.schema_name = 'platform' desc, h.schema_name = 'series', h.table_name;
end
$$;

-- Opens the cursor `tenant_export` on the rows of one of these relations, as JSON, by primary key. It
-- stays open, and the tenant set, until the transaction ends or closes it.
create function platform.open_export(tenant uuid, wanted text) returns refcursor
    language plpgsql security definer
    set search_path = pg_catalog
as $$
declare
    own_schema text := 'ts_' || replace(tenant::text, '-', '');
    kept refcursor := 'tenant_export';
    holder regclass;
    ordering text;
    left_behind text[];
begin
    if not exists (select from platform.export_relations(tenant) e
            where e.relation = wanted and e.exported) then
        raise exception '% is not exported', wanted using errcode = 'insufficient_privilege';
    end if;
    perform set_config('app.platform', 'on', true);
    perform set_config('app.tenant_id', tenant::text, true);
    if wanted = 'platform.tenants' then
        open kept for select to_jsonb(t)::text from platform.tenants t where t.id = tenant;
        return kept;
    end if;
    -- People are of the platform; of a member the tenant knows this much.
    if wanted = 'platform.memberships' then
        open kept for select (to_jsonb(m) || jsonb_build_object('email', p.email,
                'display_name', d.display_name))::text
            from platform.memberships m
            join platform.people p on p.principal_id = m.principal_id
            join platform.principals d on d.id = m.principal_id
            where m.tenant_id = tenant order by m.principal_id;
        return kept;
    end if;
    holder := format('%I.%I', case when split_part(wanted, '.', 1) = 'tenant' then own_schema
        else split_part(wanted, '.', 1) end, split_part(wanted, '.', 2))::regclass;
    select string_agg(format('t.%I', a.attname), ', ' order by k.place) into ordering
        from pg_index i, unnest(i.indkey) with ordinality as k (attnum, place), pg_attribute a
        where i.indrelid = holder and i.indisprimary
            and a.attrelid = i.indrelid and a.attnum = k.attnum;
    select r.without into left_behind from platform.export_rules r
        where wanted = 'platform.' || r.relation;
    open kept for execute format(
        'select (to_jsonb(t) - $2)::text from %s t where t.tenant_id = $1 order by %s',
        holder, coalesce(ordering, '1'))
        using tenant, coalesce(left_behind, '{}');
    return kept;
end
$$;

revoke all on function platform.export_relations(uuid) from public;
revoke all on function platform.open_export(uuid, text) from public;
grant execute on function platform.export_relations(uuid) to yard_auth;
grant execute on function platform.open_export(uuid, text) to yard_auth;

reset role;
