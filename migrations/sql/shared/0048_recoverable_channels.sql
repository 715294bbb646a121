-- Owner: comms-websocket. Which channels of an app are recoverable, and what they keep (ADR 0039).
set local role yard_owner;

alter table platform.realtime_apps
    add column recoverable_prefixes text[] not null default '{}'
        check (cardinality(recoverable_prefixes) <= 16),
    add column history_events integer not null default 300
        check (history_events between 1 and 1000),
    add column history_seconds integer not null default 300
        check (history_seconds between 1 and 86400);

reset role;
