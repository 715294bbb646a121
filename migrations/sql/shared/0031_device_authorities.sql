-- Owner: auth. The CAs that device certificates come from, while one takes over from another.

set local role yard_owner;

create table platform.device_authorities (
    -- Subject key identifier, lower-case hexadecimal.
    key_id text primary key,
    subject text not null,
    state text not null check (state in ('pending', 'active', 'retiring', 'retired', 'abandoned')),
    not_after timestamptz not null,
    since timestamptz not null
);

alter table platform.device_certificates
    -- Key id of its CA; null for one that was signed before this was written down, until auth starts
    -- with one CA only. Until then it is on the revocation list of every CA.
    add column authority text;
create index device_certificates_by_authority
    on platform.device_certificates (authority, not_after) where revoked_at is null;

grant select, insert, update on platform.device_authorities to yard_auth;

reset role;
