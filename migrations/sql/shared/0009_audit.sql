-- Owner: auth.
set local role yard_owner;

-- A chain is a tenant's; the platform's own has the nil UUID. No reference to platform.tenants: a
-- chain outlives its tenant.
create table platform.audit_heads (
    tenant_id uuid primary key,
    -- Of the newest entry; 0 and zeros before the first.
    sequence bigint not null default 0,
    hash bytea not null default decode(repeat('00', 32), 'hex') check (length(hash) = 32),
    -- Checkpoint: retention removed what stands before.
    first_sequence bigint not null default 1,
    first_previous_hash bytea not null default decode(repeat('00', 32), 'hex')
        check (length(first_previous_hash) = 32),
    -- Up to here a signed root covers the chain.
    anchored_sequence bigint not null default 0,
    -- Up to here hashes and links were computed again and found right.
    verified_sequence bigint not null default 0,
    verified_at timestamptz,
    problem text not null default ''
);

create table platform.audit_events (
    tenant_id uuid not null,
    sequence bigint not null,
    event_id uuid not null,
    kind text not null check (kind in ('call', 'sign_in', 'denial', 'break_glass')),
    occurred_at timestamptz not null,
    recorded_at timestamptz not null,
    service text not null,
    actor text not null,
    acting_as text not null,
    session_id text not null,
    action text not null,
    object_type text not null,
    object_id text not null,
    outcome text not null,
    incident text not null,
    trace_id text not null,
    address_prefix text not null,
    changed_fields text[] not null,
    repeats integer not null check (repeats > 0),
    resolves bigint not null,
    subject_id text not null,
    personal_commitment bytea check (length(personal_commitment) = 32),
    -- Personal data under the subject's key.
    sealed bytea,
    previous_hash bytea not null check (length(previous_hash) = 32),
    hash bytea not null check (length(hash) = 32),
    primary key (tenant_id, sequence),
    -- A call whose end was not known has a second entry once it is.
    unique (tenant_id, event_id, resolves)
);
create index audit_events_by_event on platform.audit_events (event_id);
create index audit_events_by_time on platform.audit_events (tenant_id, occurred_at);
create index audit_events_by_actor on platform.audit_events (tenant_id, actor, sequence);
create index audit_events_by_object on platform.audit_events (tenant_id, object_id, sequence)
    where object_id <> '';
create index audit_events_by_incident on platform.audit_events (tenant_id, incident)
    where incident <> '';
create index audit_events_by_subject on platform.audit_events (tenant_id, subject_id)
    where subject_id <> '';

-- Calls that were announced and have not ended yet.
create table platform.audit_open (
    event_id uuid primary key,
    tenant_id uuid not null,
    -- The announcement (yard.audit.v1.AuditRecord).
    record bytea not null,
    begun_at timestamptz not null
);
create index audit_open_by_time on platform.audit_open (begun_at);

-- One key for each person and chain, itself sealed. Erasing the person empties it.
create table platform.audit_subject_keys (
    tenant_id uuid not null,
    subject_id text not null,
    sealed_key bytea,
    created_at timestamptz not null,
    erased_at timestamptz,
    primary key (tenant_id, subject_id),
    check ((sealed_key is null) = (erased_at is not null))
);

create table platform.audit_roots (
    number bigint primary key,
    made_at timestamptz not null,
    merkle_root bytea not null check (length(merkle_root) = 32),
    previous_digest bytea not null check (length(previous_digest) = 32),
    digest bytea not null check (length(digest) = 32),
    key_id text not null,
    signature bytea not null
);

-- Where a root covers a chain: only for chains that have grown since the root before.
create table platform.audit_anchors (
    tenant_id uuid not null,
    sequence bigint not null,
    root_number bigint not null references platform.audit_roots (number),
    path text[] not null,
    primary key (tenant_id, sequence)
);

-- What is written stays as it is, whoever writes; only retention takes old entries out, inside
-- audit_prune, where the current role is the owner's.
create function platform.audit_refuse_change() returns trigger
    language plpgsql
    set search_path = ''
as $$
begin
    if tg_op = 'DELETE' and current_user = 'yard_owner'
        and coalesce(pg_catalog.current_setting('app.audit_prune', true), '') = 'on' then
        return old;
    end if;
    raise exception 'what is in the audit trail is not changed' using errcode = '42501';
end
$$;

create trigger audit_events_stay before update or delete on platform.audit_events
    for each row execute function platform.audit_refuse_change();
create trigger audit_events_stay_all before truncate on platform.audit_events
    for each statement execute function platform.audit_refuse_change();
create trigger audit_roots_stay before update or delete on platform.audit_roots
    for each row execute function platform.audit_refuse_change();
create trigger audit_roots_stay_all before truncate on platform.audit_roots
    for each statement execute function platform.audit_refuse_change();
create trigger audit_anchors_stay before update or delete on platform.audit_anchors
    for each row execute function platform.audit_refuse_change();
create trigger audit_anchors_stay_all before truncate on platform.audit_anchors
    for each statement execute function platform.audit_refuse_change();

-- Takes out a chain's entries recorded before a time, as far as they are verified and anchored by
-- a signed root, and leaves the checkpoint. The newest entry always stays.
create function platform.audit_prune(chain uuid, before timestamptz) returns bigint
    language plpgsql
    security definer
    set search_path = ''
as $$
declare
    head platform.audit_heads;
    last platform.audit_events;
    removed bigint;
begin
    if before > pg_catalog.now() - interval '30 days' then
        raise exception 'entries are kept for 30 days at least' using errcode = '22023';
    end if;
    select * into head from platform.audit_heads where tenant_id = chain for update;
    if not found or head.problem <> '' then
        return 0;
    end if;
    select * into last from platform.audit_events e
        where e.tenant_id = chain and e.recorded_at < before and e.sequence < head.sequence
          and e.sequence <= least(head.anchored_sequence, head.verified_sequence)
        order by e.sequence desc limit 1;
    if not found then
        return 0;
    end if;
    perform pg_catalog.set_config('app.audit_prune', 'on', true);
    delete from platform.audit_anchors a where a.tenant_id = chain and a.sequence <= last.sequence;
    delete from platform.audit_events e where e.tenant_id = chain and e.sequence <= last.sequence;
    get diagnostics removed = row_count;
    perform pg_catalog.set_config('app.audit_prune', '', true);
    update platform.audit_heads
        set first_sequence = last.sequence + 1, first_previous_hash = last.hash
        where tenant_id = chain;
    return removed;
end
$$;
revoke all on function platform.audit_prune(uuid, timestamptz) from public;

alter table platform.audit_heads enable row level security, force row level security;
alter table platform.audit_events enable row level security, force row level security;
alter table platform.audit_open enable row level security, force row level security;
alter table platform.audit_subject_keys enable row level security, force row level security;
alter table platform.audit_anchors enable row level security, force row level security;

create policy tenant_or_platform on platform.audit_heads
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());
create policy tenant_or_platform on platform.audit_events
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());
create policy tenant_or_platform on platform.audit_open
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());
create policy tenant_or_platform on platform.audit_subject_keys
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());
create policy tenant_or_platform on platform.audit_anchors
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());

grant select, insert, update on platform.audit_heads, platform.audit_subject_keys to yard_auth;
grant select, insert on platform.audit_events, platform.audit_roots, platform.audit_anchors
    to yard_auth;
grant select, insert, delete on platform.audit_open to yard_auth;
grant execute on function platform.audit_prune(uuid, timestamptz) to yard_auth;

reset role;
