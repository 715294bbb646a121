-- Runs in the tenant's own schema, as yard_owner. Owner: auth.
-- Who asks by RADIUS, and whom it is asked for. Both are looked up only when the tenant is known, by
-- platform.radius_clients.
do $$
begin
    execute format('grant usage on schema %I to yard_auth', current_schema());
end
$$;

create table radius_nas (
    id uuid primary key,
    tenant_id uuid not null,
    name text not null check (length(name) between 1 and 60),
    -- The shared secret, sealed by the tenant's key (platform.radius_keys) and bound to the id.
    secret_sealed bytea not null,
    -- Is not answered.
    disabled_at timestamptz,
    -- A principal's subject.
    created_by text not null,
    created_at timestamptz not null,
    -- Null until it was changed.
    changed_at timestamptz,
    constraint radius_nas_name unique (name)
);

create table radius_subscribers (
    id uuid primary key,
    tenant_id uuid not null,
    user_name text not null check (length(user_name) between 1 and 64),
    -- HMAC-SHA-256 by the tenant's key, bound to the id: enough for PAP.
    password_verifier bytea not null check (octet_length(password_verifier) = 32),
    -- Sealed by the same key; CHAP and MS-CHAPv2 need the password itself. Null where they are refused.
    password_sealed bytea,
    disabled_at timestamptz,
    valid_until timestamptz,
    -- 0 for none.
    session_timeout_seconds integer not null check (session_timeout_seconds between 0 and 31536000),
    idle_timeout_seconds integer not null check (idle_timeout_seconds between 0 and 86400),
    upload_kbps integer not null check (upload_kbps between 0 and 10000000),
    download_kbps integer not null check (download_kbps between 0 and 10000000),
    created_by text not null,
    created_at timestamptz not null,
    changed_at timestamptz,
    constraint radius_subscribers_user_name unique (user_name)
);
-- Prefix search whatever the database's collation.
create index radius_subscribers_prefix on radius_subscribers (user_name text_pattern_ops);

alter table radius_nas enable row level security, force row level security;
alter table radius_subscribers enable row level security, force row level security;
create policy tenant on radius_nas using (platform.is_tenant(tenant_id))
    with check (platform.is_tenant(tenant_id));
create policy tenant on radius_subscribers using (platform.is_tenant(tenant_id))
    with check (platform.is_tenant(tenant_id));
grant select, insert, update, delete on radius_nas to yard_auth;
grant select, insert, update, delete on radius_subscribers to yard_auth;
