-- Owner: auth. What is over and told everybody is taken out after a while.
set local role yard_owner;

-- The deletion of a session tells the feed that it ended, unless it is taken out long after its end.
create or replace function platform.note_session_end() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and coalesce(current_setting('app.upkeep', true), '') = 'on' then
        return null;
    end if;
    insert into platform.revocations (kind, tenant_id, subject)
        values ('session', old.tenant_id, old.id::text);
    return null;
end $$;

create index sessions_by_end on platform.sessions (expires_at);
create index claim_codes_by_end on platform.claim_codes (expires_at);
create index person_links_by_end on platform.person_links (expires_at);
create index invitations_by_end on platform.invitations (expires_at);

grant delete on platform.sessions, platform.claim_codes to yard_auth;

reset role;
