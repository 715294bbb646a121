-- Runs in the tenant's own schema, as yard_owner. Owner: device-ingest.
-- What each person has asked for under a key of their own choosing, for a day. It replaces the unique
-- keys on devices and commands: those were shared by all people of a tenant, and for ever.
create table idempotency_keys (
    tenant_id uuid not null,
    -- `person:<uuid>` or the like.
    subject text not null,
    key text not null check (length(key) between 1 and 128),
    -- The RPC, and the hash of its request.
    method text not null,
    request_hash bytea not null,
    -- What the first request made.
    answer uuid not null,
    created_at timestamptz not null,
    primary key (subject, key)
);
create index idempotency_keys_by_age on idempotency_keys (created_at);

alter table idempotency_keys enable row level security, force row level security;
create policy tenant on idempotency_keys using (platform.is_tenant(tenant_id))
    with check (platform.is_tenant(tenant_id));
grant select, insert, update, delete on idempotency_keys to yard_ingest;
