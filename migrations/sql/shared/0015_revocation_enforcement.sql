-- Owner: auth. From the revocation of a certificate to the moment when nobody is connected with it.

set local role yard_owner;

alter table platform.device_certificates
    -- Number of the first revocation list that names it.
    add column listed_in bigint,
    -- When the broker had that list in force and had ended the device's connections.
    add column enforced_at timestamptz,
    -- SHA-256 of the public key (SubjectPublicKeyInfo): one key, one certificate, for ever.
    add column key_sha256 bytea;

create unique index device_certificates_key
    on platform.device_certificates (key_sha256);
-- What the enforcer looks for; empty nearly always.
create index device_certificates_unenforced
    on platform.device_certificates (revoked_at)
    where revoked_at is not null and enforced_at is null;

-- Devices that may not connect any more: what they hold is revoked.
create index principals_disabled_devices
    on platform.principals (tenant_id, id)
    where kind = 'device' and disabled_at is not null;

reset role;
