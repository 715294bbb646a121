-- Owner: comms-websocket. Messages of tenants' realtime apps that have to arrive: each is written down,
-- with a row for every recipient, before its sender is answered (ADR 0039).

set local role yard_owner;

-- The order of one channel. Whoever speaks in it holds its row until the message is committed: numbers
-- have no holes, and a lower one is never seen after a higher one.
create table platform.realtime_sequences (
    id bigint generated always as identity primary key,
    tenant_id uuid not null references platform.tenants (id),
    -- Not tied to the app's row: what was said outlives an app that is deleted, until its time.
    app bigint not null check (app between 1000000000 and 9999999999),
    channel text not null check (octet_length(channel) between 1 and 200),
    -- Of its last message.
    seq bigint not null check (seq > 0),
    -- When that was written down.
    spoken_at timestamptz not null,
    unique (app, channel, tenant_id)
);
create index realtime_sequences_by_tenant on platform.realtime_sequences (tenant_id);

create table platform.realtime_messages (
    -- A UUIDv7: instances look for what is new by it.
    id uuid primary key,
    tenant_id uuid not null references platform.tenants (id),
    sequence bigint not null references platform.realtime_sequences (id),
    -- As the sequence has them.
    app bigint not null,
    channel text not null,
    seq bigint not null,
    event text not null,
    -- As it is sent.
    data text not null,
    -- What acknowledges it: its bytes at the client (transport), or the client's word (app).
    level text not null check (level in ('transport', 'app')),
    -- The same key in the same channel is the same message.
    idempotency_key text check (octet_length(idempotency_key) between 1 and 256),
    -- A principal's subject, or the app for its own servers.
    sender text not null,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    unique (sequence, seq)
);
create unique index realtime_messages_by_key on platform.realtime_messages (sequence, idempotency_key)
    where idempotency_key is not null;
create index realtime_messages_by_app on platform.realtime_messages (tenant_id, app, id);
create index realtime_messages_by_expiry on platform.realtime_messages (expires_at);

create table platform.realtime_receipts (
    message_id uuid not null references platform.realtime_messages (id) on delete cascade,
    user_id text not null check (octet_length(user_id) between 1 and 128),
    tenant_id uuid not null references platform.tenants (id),
    -- As the message has them.
    sequence bigint not null,
    seq bigint not null,
    expires_at timestamptz not null,
    state text not null check (state in ('queued', 'sent', 'acknowledged', 'expired')),
    -- How often it was given to sockets of the recipient.
    attempts integer not null default 0,
    -- The first time.
    sent_at timestamptz,
    acknowledged_at timestamptz check ((acknowledged_at is not null) = (state = 'acknowledged')),
    primary key (message_id, user_id)
);
create index realtime_receipts_owed on platform.realtime_receipts (sequence, user_id, seq)
    where state in ('queued', 'sent');
create index realtime_receipts_to_expire on platform.realtime_receipts (expires_at)
    where state in ('queued', 'sent');
create index realtime_receipts_by_tenant on platform.realtime_receipts (tenant_id);

alter table platform.realtime_sequences enable row level security, force row level security;
alter table platform.realtime_messages enable row level security, force row level security;
alter table platform.realtime_receipts enable row level security, force row level security;
create policy tenant_or_platform on platform.realtime_sequences
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());
create policy tenant_or_platform on platform.realtime_messages
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());
create policy tenant_or_platform on platform.realtime_receipts
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());

grant select, insert, update, delete on platform.realtime_sequences to yard_comms;
grant select, insert, update, delete on platform.realtime_messages to yard_comms;
grant select, insert, update, delete on platform.realtime_receipts to yard_comms;

insert into platform.export_rules (relation, exported, without, reason) values
    ('realtime_sequences', false, '{}', 'the order of messages, which they tell themselves'),
    ('realtime_messages', true, '{sequence}', ''),
    ('realtime_receipts', true, '{sequence}', '');

reset role;
