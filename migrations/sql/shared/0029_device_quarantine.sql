-- Owner: device-ingest. Devices of which nothing is accepted, because auth says so.

set local role yard_owner;

alter table platform.device_directory
    add column quarantined boolean not null default false,
    -- auth's count of the changes; an older word changes nothing.
    add column standing_version bigint not null default 0;
create index device_directory_quarantined
    on platform.device_directory (device_id) where quarantined;

reset role;
