-- Owner: auth. Passkeys of people (W3C Web Authentication).
set local role yard_owner;

create table platform.passkeys (
    id uuid primary key,
    principal_id uuid not null references platform.people (principal_id) on delete cascade,
    -- As the authenticator made it; nobody else's may be the same.
    credential_id bytea not null check (length(credential_id) between 16 and 1023),
    -- COSE key, as it was registered.
    public_key bytea not null check (length(public_key) between 32 and 1100),
    -- Of the last use that was taken. It only grows, or stays zero with authenticators that count not.
    sign_count bigint not null check (sign_count between 0 and 4294967295),
    transports text[] not null check (cardinality(transports) <= 8),
    -- May leave the device that made it; never changes.
    backup_eligible boolean not null,
    -- Had done so when it was last used.
    backed_up boolean not null check (backup_eligible or not backed_up),
    name text not null check (length(name) between 1 and 64),
    created_at timestamptz not null,
    last_used_at timestamptz
);
create unique index passkeys_by_credential on platform.passkeys (credential_id);
create index passkeys_by_person on platform.passkeys (principal_id, created_at);

alter table platform.passkeys enable row level security, force row level security;
create policy platform_only on platform.passkeys
    using (platform.is_platform()) with check (platform.is_platform());

grant select, insert, update, delete on platform.passkeys to yard_auth;

reset role;
