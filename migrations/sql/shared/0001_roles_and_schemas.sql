-- Roles are of the whole cluster: another database of it may have made them already.
do $$
declare
    service text;
begin
    perform pg_advisory_xact_lock(7203, 1);
    if not exists (select from pg_roles where rolname = 'yard_owner') then
        create role yard_owner nologin;
    end if;
    foreach service in array array['yard_auth', 'yard_ingest', 'yard_scheduler', 'yard_worker']
    loop
        if not exists (select from pg_roles where rolname = service) then
            execute format('create role %I login nosuperuser nocreatedb nocreaterole nobypassrls', service);
        end if;
    end loop;
end
$$;

do $$
declare
    service text;
begin
    foreach service in array array['yard_auth', 'yard_ingest', 'yard_scheduler', 'yard_worker']
    loop
        execute format('alter role %I in database %I set search_path = ''''', service, current_database());
    end loop;
end
$$;

create schema platform authorization yard_owner;
create schema series authorization yard_owner;
grant usage on schema platform to yard_auth, yard_ingest, yard_scheduler, yard_worker;
grant usage on schema series to yard_worker;

-- Every policy asks one of these two. Both are false when the transaction said nothing.
create function platform.is_tenant(row_tenant uuid) returns boolean
    language sql stable
    return row_tenant = nullif(current_setting('app.tenant_id', true), '')::uuid;

create function platform.is_platform() returns boolean
    language sql stable
    return coalesce(current_setting('app.platform', true), '') = 'on';

alter function platform.is_tenant(uuid) owner to yard_owner;
alter function platform.is_platform() owner to yard_owner;
