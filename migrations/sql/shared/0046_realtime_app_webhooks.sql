-- Owner: comms-websocket. Where tenants' servers are told of what happens in their realtime apps.

set local role yard_owner;

create table platform.realtime_app_webhooks (
    app bigint not null references platform.realtime_apps (number) on delete cascade,
    -- In the order in which the tenant names them.
    place smallint not null check (place between 1 and 5),
    tenant_id uuid not null references platform.tenants (id),
    url text not null check (length(url) between 1 and 2048),
    -- Names of Pusher's events; none means all. A newer release may know more of them.
    kinds text[] not null check (cardinality(kinds) <= 32),
    channel_prefix text not null check (length(channel_prefix) <= 200),
    disabled boolean not null,
    primary key (app, place),
    unique (app, url)
);
create index realtime_app_webhooks_by_tenant on platform.realtime_app_webhooks (tenant_id);

alter table platform.realtime_app_webhooks enable row level security, force row level security;
create policy tenant_or_platform on platform.realtime_app_webhooks
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());

grant select, insert, update, delete on platform.realtime_app_webhooks to yard_comms;

insert into platform.export_rules (relation, exported, without, reason) values
    ('realtime_app_webhooks', true, '{}', '');

reset role;
