-- Owner: auth (plans). The two functions are how every service asks what a tenant may have: the
-- number and what is in use are read where the thing is made, in its transaction (ADR 0028).
set local role yard_owner;

-- A plan is a named set of limits. A name that is not in it is not limited.
create table platform.plans (
    name text primary key check (name ~ '^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$'),
    description text not null default '' check (length(description) <= 500),
    -- Limit name to number.
    limits jsonb not null default '{}' check (jsonb_typeof(limits) = 'object'),
    changed_at timestamptz not null default clock_timestamp(),
    -- A principal's subject; empty for the platform itself.
    changed_by text not null default ''
);
insert into platform.plans (name, description, limits) values
    ('standard', 'Nothing is limited.', '{}'),
    ('trial', 'To try it out.',
        '{"devices": 25, "contracts": 10, "people": 5, "api_tokens": 20, "commands_per_day": 1000}');
-- Names that were given before plans were kept.
insert into platform.plans (name) select distinct plan from platform.tenants on conflict do nothing;
alter table platform.tenants add constraint tenants_plan_known
    foreign key (plan) references platform.plans (name);
grant select, insert, update on platform.plans to yard_auth;

-- How much of a limit a tenant uses, counted up to `most`; null for a name that is not counted.
create function platform.tenant_use(tenant uuid, limit_name text, at timestamptz, most bigint)
    returns bigint
    language plpgsql security definer
    set search_path = pg_catalog
as $$
declare
    own_schema text := 'ts_' || replace(tenant::text, '-', '');
    platform_before text := coalesce(current_setting('app.platform', true), '');
    tenant_before text := coalesce(current_setting('app.tenant_id', true), '');
    own_table text;
    used bigint;
begin
    if not (platform.is_tenant(tenant) or platform.is_platform()) then
        raise exception 'not for this tenant' using errcode = 'insufficient_privilege';
    end if;
    perform set_config('app.platform', 'on', true);
    perform set_config('app.tenant_id', tenant::text, true);
    case limit_name
        when 'people' then
            select count(*) into used from (select from platform.memberships
                where tenant_id = tenant limit most) as counted;
        when 'api_tokens' then
            select count(*) into used from (select from platform.api_tokens
                where tenant_id = tenant and revoked_at is null and expires_at > at
                limit most) as counted;
        when 'devices', 'contracts', 'commands_per_day' then
            own_table := format('%I.%I', own_schema, split_part(limit_name, '_', 1));
            if to_regclass(own_table) is null then
                used := 0;
            elsif limit_name = 'commands_per_day' then
                execute format('select count(*) from (select from %s where created_at >= $1 limit $2) '
                    'as counted', own_table)
                into used using date_trunc('day', at, 'UTC'), most;
            else
                execute format('select count(*) from (select from %s limit $1) as counted', own_table)
                into used using most;
            end if;
        else
            used := null;
    end case;
    perform set_config('app.platform', platform_before, true);
    perform set_config('app.tenant_id', tenant_before, true);
    return used;
end
$$;

-- What one more would meet: the limit and what is in use, for the transaction that is about to make
-- it. Until that transaction ends nobody else of the tenant passes here for the same limit, so two
-- cannot both be the last. No row: not limited.
create function platform.hold_limit(tenant uuid, limit_name text, at timestamptz)
    returns table (most bigint, used bigint)
    language plpgsql security definer
    set search_path = pg_catalog
as $$
begin
    if not (platform.is_tenant(tenant) or platform.is_platform()) then
        raise exception 'not for this tenant' using errcode = 'insufficient_privilege';
    end if;
    select coalesce(t.limits -> limit_name, p.limits -> limit_name)::bigint into most
        from platform.tenants t join platform.plans p on p.name = t.plan where t.id = tenant;
    if most is null then
        return;
    end if;
    perform pg_advisory_xact_lock(7205, hashtext(tenant::text || limit_name));
    -- A statement of its own: it sees what others committed while this one waited.
    used := platform.tenant_use(tenant, limit_name, at, most);
    if used >= most then
        -- To be told in full: it is more than the limit when that was lowered.
        used := platform.tenant_use(tenant, limit_name, at, null);
    end if;
    return next;
end
$$;

revoke all on function platform.tenant_use(uuid, text, timestamptz, bigint) from public;
revoke all on function platform.hold_limit(uuid, text, timestamptz) from public;
grant execute on function platform.tenant_use(uuid, text, timestamptz, bigint) to yard_auth;
grant execute on function platform.hold_limit(uuid, text, timestamptz) to yard_auth, yard_ingest;

reset role;
