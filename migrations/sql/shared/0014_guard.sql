-- Owner: auth. Who is kept out at the gateways, and the switch for maintenance.
set local role yard_owner;

create table platform.bans (
    id uuid primary key,
    kind text not null check (kind in ('address', 'token', 'person')),
    -- Network in CIDR notation, id of a session or API token, or principal id.
    subject text not null check (length(subject) between 1 and 64),
    reason text not null check (length(reason) between 1 and 500),
    created_by text not null,
    created_at timestamptz not null,
    expires_at timestamptz not null check (expires_at > created_at),
    lifted_at timestamptz,
    lifted_by text,
    -- Made by a gateway after repeated refusals.
    automatic boolean not null default false,
    check ((lifted_at is null) = (lifted_by is null))
);
create index bans_in_force on platform.bans (expires_at) where lifted_at is null;
create index bans_by_age on platform.bans (created_at desc, id desc);
create index bans_by_subject on platform.bans (subject, created_at desc);

-- One row. The revision grows with each change of a ban or of the switch, so that the gateways need
-- to read nothing else while nothing changes.
create table platform.guard (
    only_row boolean primary key default true check (only_row),
    revision bigint not null,
    maintenance boolean not null default false,
    reason text not null default '' check (length(reason) <= 500),
    until timestamptz,
    changed_at timestamptz not null default clock_timestamp(),
    changed_by text not null default ''
);
insert into platform.guard (revision) values (1);

alter table platform.bans enable row level security, force row level security;
alter table platform.guard enable row level security, force row level security;
create policy platform_only on platform.bans
    using (platform.is_platform()) with check (platform.is_platform());
create policy platform_only on platform.guard
    using (platform.is_platform()) with check (platform.is_platform());

grant select, insert, update, delete on platform.bans to yard_auth;
grant select, update on platform.guard to yard_auth;

reset role;
