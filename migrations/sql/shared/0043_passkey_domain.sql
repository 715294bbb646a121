-- Owner: auth. Passkeys count under the domain that they were made for, and under no other.
set local role yard_owner;

alter table platform.passkeys
    -- The relying party's id. Null for one that a release registered which did not write it down: auth
    -- fills in its configured domain when it starts, and counts such a row as of that domain until then.
    add column rp_id text check (length(rp_id) between 1 and 253);

reset role;
