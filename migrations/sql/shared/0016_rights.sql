-- Owner: auth. What people may do beyond a built-in role: roles of a tenant's own, its departments and
-- the positions in them, who holds which, and exceptions that expire.
set local role yard_owner;

-- A built-in role or the key of one of the tenant's own; auth checks it.
alter table platform.memberships
    drop constraint memberships_role_check,
    add constraint memberships_role_check check (role ~ '^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$');

create table platform.roles (
    tenant_id uuid not null references platform.tenants (id),
    role text not null check (role ~ '^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$'
        and role not in ('owner', 'operator', 'viewer', 'system-administrator', 'break-glass')),
    name text not null check (length(name) between 1 and 120),
    description text not null default '' check (length(description) <= 500),
    permissions text[] not null check (cardinality(permissions) <= 64),
    created_at timestamptz not null,
    changed_at timestamptz not null,
    primary key (tenant_id, role)
);

create table platform.departments (
    tenant_id uuid not null references platform.tenants (id),
    id uuid not null,
    -- Null for one at the top.
    parent_id uuid check (parent_id <> id),
    name text not null check (length(name) between 1 and 120),
    created_at timestamptz not null,
    primary key (tenant_id, id),
    foreign key (tenant_id, parent_id) references platform.departments (tenant_id, id),
    constraint departments_name unique nulls not distinct (tenant_id, parent_id, name)
);

create table platform.positions (
    tenant_id uuid not null,
    id uuid not null,
    department_id uuid not null,
    title text not null check (length(title) between 1 and 120),
    -- The higher, the more senior.
    rank smallint not null check (rank between 1 and 100),
    -- The least severity of events that it answers for: 1 information, 2 warning, 3 critical; 0 none.
    duty_from smallint not null default 0 check (duty_from between 0 and 3),
    -- Kinds of event that it answers for; empty for every kind.
    duty_kinds text[] not null default '{}' check (cardinality(duty_kinds) <= 32),
    created_at timestamptz not null,
    primary key (tenant_id, id),
    foreign key (tenant_id, department_id) references platform.departments (tenant_id, id),
    constraint positions_title unique (tenant_id, department_id, title)
);

create table platform.position_roles (
    tenant_id uuid not null,
    position_id uuid not null,
    role text not null,
    scope text not null check (scope in ('own', 'department', 'subtree', 'tenant')),
    created_at timestamptz not null,
    primary key (tenant_id, position_id, role),
    foreign key (tenant_id, position_id) references platform.positions (tenant_id, id) on delete cascade
);
create index position_roles_by_role on platform.position_roles (tenant_id, role);

-- Times are whole seconds, as an access token's end is: what begins or ends here ends a token exactly.
create table platform.assignments (
    tenant_id uuid not null,
    id uuid not null,
    position_id uuid not null,
    principal_id uuid not null,
    starts_at timestamptz(0) not null,
    ends_at timestamptz(0) check (ends_at >= starts_at),
    created_by text not null,
    created_at timestamptz not null,
    -- Whether its beginning and its end have come and been told.
    begun boolean not null default false,
    over boolean not null default false,
    primary key (tenant_id, id),
    foreign key (tenant_id, position_id) references platform.positions (tenant_id, id) on delete cascade,
    foreign key (tenant_id, principal_id)
        references platform.memberships (tenant_id, principal_id) on delete cascade
);
create index assignments_by_person on platform.assignments (tenant_id, principal_id, id);
create index assignments_by_position on platform.assignments (tenant_id, position_id, id);
create index assignments_to_begin on platform.assignments (starts_at) where not begun;
create index assignments_to_end on platform.assignments (ends_at) where not over and ends_at is not null;

create table platform.overrides (
    tenant_id uuid not null references platform.tenants (id),
    id uuid not null,
    principal_id uuid,
    position_id uuid,
    permission text not null check (length(permission) between 1 and 64),
    effect text not null check (effect in ('allow', 'deny')),
    scope text not null check (scope in ('own', 'department', 'subtree', 'tenant')),
    -- For a person's override that reaches a department or a subtree; a position has its own.
    department_id uuid,
    reason text not null check (length(reason) between 1 and 500),
    state text not null check (state in ('requested', 'approved', 'refused', 'expired', 'ended')),
    requested_by uuid not null,
    requested_at timestamptz not null,
    expires_at timestamptz(0) not null,
    decided_by uuid,
    decided_at timestamptz,
    decision_reason text not null default '' check (length(decision_reason) <= 500),
    ended_by uuid,
    ended_at timestamptz,
    primary key (tenant_id, id),
    foreign key (tenant_id, position_id) references platform.positions (tenant_id, id) on delete cascade,
    foreign key (tenant_id, department_id) references platform.departments (tenant_id, id),
    foreign key (tenant_id, principal_id)
        references platform.memberships (tenant_id, principal_id) on delete cascade,
    check ((principal_id is null) <> (position_id is null)),
    check ((department_id is not null) = (principal_id is not null and scope in ('department', 'subtree'))),
    check (state not in ('approved', 'refused') or decided_by is not null),
    -- Whoever asks for more than there was is not the one who grants it, nor is whoever gets it.
    constraint overrides_two_people check (effect = 'deny' or state <> 'approved'
        or (decided_by <> requested_by and decided_by is distinct from principal_id))
);
create index overrides_of_person on platform.overrides (tenant_id, principal_id)
    where principal_id is not null;
create index overrides_of_position on platform.overrides (tenant_id, position_id)
    where position_id is not null;
create index overrides_due on platform.overrides (expires_at) where state in ('requested', 'approved');

alter table platform.roles enable row level security, force row level security;
alter table platform.departments enable row level security, force row level security;
alter table platform.positions enable row level security, force row level security;
alter table platform.position_roles enable row level security, force row level security;
alter table platform.assignments enable row level security, force row level security;
alter table platform.overrides enable row level security, force row level security;
create policy tenant_or_platform on platform.roles
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());
create policy tenant_or_platform on platform.departments
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());
create policy tenant_or_platform on platform.positions
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());
create policy tenant_or_platform on platform.position_roles
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());
create policy tenant_or_platform on platform.assignments
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());
create policy tenant_or_platform on platform.overrides
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());
grant select, insert, update, delete on platform.roles, platform.departments, platform.positions,
    platform.position_roles, platform.assignments, platform.overrides to yard_auth;

-- Who is concerned when something changes looks again: their tokens are void (0008).
create function platform.note_assignment_change() returns trigger language plpgsql as $$
begin
    insert into platform.revocations (kind, tenant_id, subject) values
        ('person', coalesce(new.tenant_id, old.tenant_id),
            coalesce(new.principal_id, old.principal_id)::text);
    return null;
end $$;
create trigger assignment_changed after insert or update or delete on platform.assignments
    for each row execute function platform.note_assignment_change();

create function platform.note_position(tenant uuid, place uuid) returns void language sql as $$
    insert into platform.revocations (kind, tenant_id, subject)
    select distinct 'person', a.tenant_id, a.principal_id::text from platform.assignments a
    where a.tenant_id = tenant and a.position_id = place and not a.over
$$;

create function platform.note_position_role_change() returns trigger language plpgsql as $$
begin
    perform platform.note_position(coalesce(new.tenant_id, old.tenant_id),
        coalesce(new.position_id, old.position_id));
    return null;
end $$;
create trigger position_role_changed after insert or update or delete on platform.position_roles
    for each row execute function platform.note_position_role_change();

create function platform.note_override_change() returns trigger language plpgsql as $$
declare
    tenant uuid := coalesce(new.tenant_id, old.tenant_id);
    person uuid := coalesce(new.principal_id, old.principal_id);
begin
    if 'approved' not in (coalesce(old.state, ''), coalesce(new.state, '')) then
        return null;
    end if;
    if person is null then
        perform platform.note_position(tenant, coalesce(new.position_id, old.position_id));
    else
        insert into platform.revocations (kind, tenant_id, subject)
            values ('person', tenant, person::text);
    end if;
    return null;
end $$;
create trigger override_changed after insert or update or delete on platform.overrides
    for each row execute function platform.note_override_change();

create function platform.note_role_change() returns trigger language plpgsql as $$
begin
    insert into platform.revocations (kind, tenant_id, subject)
    select 'person', old.tenant_id, who.principal_id::text from (
        select m.principal_id from platform.memberships m
        where m.tenant_id = old.tenant_id and m.role = old.role
        union
        select a.principal_id from platform.assignments a
        join platform.position_roles p on p.tenant_id = a.tenant_id and p.position_id = a.position_id
        where p.tenant_id = old.tenant_id and p.role = old.role and not a.over
    ) as who;
    return null;
end $$;
create trigger role_changed after update of permissions on platform.roles
    for each row when (old.permissions is distinct from new.permissions)
    execute function platform.note_role_change();

-- A tenant that has people keeps an owner, whoever takes the last one away. Those who try at once
-- wait for each other at the tenant's row.
create function platform.keep_an_owner() returns trigger language plpgsql as $$
begin
    perform from platform.tenants where id = old.tenant_id and state <> 'closing' for no key update;
    if found and not exists (select from platform.memberships
        where tenant_id = old.tenant_id and role = 'owner')
    then
        raise exception 'tenant % would have no owner', old.tenant_id
            using errcode = 'check_violation', constraint = 'memberships_keep_an_owner';
    end if;
    return null;
end $$;
create trigger membership_owner_changed after update of role on platform.memberships
    for each row when (old.role = 'owner' and new.role <> 'owner')
    execute function platform.keep_an_owner();
create trigger membership_owner_left after delete on platform.memberships
    for each row when (old.role = 'owner')
    execute function platform.keep_an_owner();

reset role;
