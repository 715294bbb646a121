-- Owner: auth. System administrators who entered a tenant for a limited time, and why.
set local role yard_owner;

create table platform.break_glass (
    id uuid primary key,
    tenant_id uuid not null references platform.tenants (id),
    principal_id uuid not null references platform.people (principal_id),
    -- The session that is in the tenant meanwhile.
    session_id uuid not null,
    permissions text[] not null check (cardinality(permissions) between 1 and 64),
    reason text not null check (length(reason) between 1 and 500),
    started_at timestamptz not null,
    expires_at timestamptz(0) not null check (expires_at > started_at - interval '1 second'
        and expires_at <= started_at + interval '60 minutes'),
    ended_at timestamptz,
    -- Who ended it: a principal's subject; empty when its time was over.
    ended_by text not null default ''
);
create unique index break_glass_of_session on platform.break_glass (session_id) where ended_at is null;
create index break_glass_of_tenant on platform.break_glass (tenant_id, id desc);
create index break_glass_due on platform.break_glass (expires_at) where ended_at is null;

alter table platform.break_glass enable row level security, force row level security;
create policy tenant_or_platform on platform.break_glass
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());
grant select, insert, update on platform.break_glass to yard_auth;

-- With its beginning the administrator's tokens of no tenant are void, with its end those of the tenant.
create function platform.note_break_glass() returns trigger language plpgsql as $$
begin
    insert into platform.revocations (kind, tenant_id, subject)
        values ('person', case when tg_op = 'UPDATE' then new.tenant_id end, new.principal_id::text);
    return null;
end $$;
create trigger break_glass_began after insert on platform.break_glass
    for each row execute function platform.note_break_glass();
create trigger break_glass_ended after update of ended_at on platform.break_glass
    for each row when (old.ended_at is null and new.ended_at is not null)
    execute function platform.note_break_glass();

reset role;
