-- Owner: auth. Mails on their way: written in the transaction of what they tell of.
set local role yard_owner;

create table platform.mails (
    id uuid primary key,
    -- Null for what concerns a person in all their tenants.
    tenant_id uuid references platform.tenants (id),
    -- Name of the template.
    kind text not null check (length(kind) between 1 and 64),
    -- Address, subject and text, which hold a link that lets someone in; erased with the end.
    sealed bytea,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    next_attempt_at timestamptz not null,
    attempts integer not null default 0,
    ended_at timestamptz,
    outcome text check (outcome in ('sent', 'refused', 'expired')),
    -- What the mail server answered last, as a number; never its words.
    problem text not null default '' check (length(problem) <= 100),
    check ((sealed is null) = (ended_at is not null)),
    check ((outcome is null) = (ended_at is null))
);
create index mails_due on platform.mails (next_attempt_at, id) where sealed is not null;
create index mails_ended on platform.mails (ended_at) where sealed is null;

alter table platform.mails enable row level security, force row level security;
create policy tenant_or_platform on platform.mails
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());

grant select, insert, update, delete on platform.mails to yard_auth;

reset role;
