-- Owner: auth. How a RADIUS request finds its tenant: by the address that the NAS asks from, before any
-- tenant's schema is looked into (ADR 0045).
set local role yard_owner;

create table platform.radius_clients (
    -- The NAS in its tenant's schema.
    nas_id uuid primary key,
    tenant_id uuid not null references platform.tenants (id),
    -- As Rust's IpAddr writes it. One secret for an address is all that RADIUS over UDP knows.
    address text not null check (length(address) between 2 and 45),
    created_at timestamptz not null,
    constraint radius_clients_address unique (address)
);
create index radius_clients_by_tenant on platform.radius_clients (tenant_id);

-- What seals secrets and hashes passwords in one tenant's schema, itself sealed by auth's key: when that
-- changes, these rows are sealed anew and none of a tenant's.
create table platform.radius_keys (
    tenant_id uuid primary key references platform.tenants (id),
    sealed bytea not null,
    created_at timestamptz not null
);

alter table platform.radius_clients enable row level security, force row level security;
alter table platform.radius_keys enable row level security, force row level security;
create policy tenant_or_platform on platform.radius_clients
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());
create policy tenant_or_platform on platform.radius_keys
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());
grant select, insert, update, delete on platform.radius_clients to yard_auth;
grant select, insert, update on platform.radius_keys to yard_auth;

-- `tenant.` before a name means the tables of that name in tenants' own schemas, which are exported
-- whole where there is no rule.
insert into platform.export_rules (relation, exported, without, reason) values
    ('radius_clients', true, '{}', ''),
    ('radius_keys', false, '{}', 'opens the secrets of the tenant''s NAS and subscribers'),
    ('tenant.radius_nas', true, '{secret_sealed}', ''),
    ('tenant.radius_subscribers', true, '{password_verifier,password_sealed}', '');

-- Opens the cursor `tenant_export` on the rows of one of these relations, as JSON, by primary key. It
-- stays open, and the tenant set, until the transaction ends or closes it.
create or replace function platform.open_export(tenant uuid, wanted text) returns refcursor
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
        where wanted in ('platform.' || r.relation, r.relation);
    open kept for execute format(
        'select (to_jsonb(t) - $2)::text from %s t where t.tenant_id = $1 order by %s',
        holder, coalesce(ordering, '1'))
        using tenant, coalesce(left_behind, '{}');
    return kept;
end
$$;

reset role;
