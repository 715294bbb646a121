-- Owner: scheduler. Its beat, each second: how far behind a replica is shows in how old the beat is
-- that it has. What a replica says of itself is not asked: one that is cut off believes it is current.
set local role yard_owner;

create table platform.heartbeat (
    only_row boolean primary key default true check (only_row),
    beat_at timestamptz not null
) with (fillfactor = 10);
insert into platform.heartbeat (beat_at) values ('-infinity');
grant select, update on platform.heartbeat to yard_scheduler;
grant select on platform.heartbeat to yard_auth, yard_ingest, yard_worker;

reset role;
