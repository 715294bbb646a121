-- Owner: auth. Identity providers of tenants, who people are there, and sign-ins under way.
set local role yard_owner;

create table platform.identity_providers (
    id uuid primary key,
    tenant_id uuid not null references platform.tenants (id),
    name text not null check (length(name) between 1 and 60),
    issuer text not null check (length(issuer) between 1 and 512),
    client_id text not null check (length(client_id) between 1 and 256),
    -- Null for a public client.
    client_secret_sealed bytea,
    scopes text[] not null check (cardinality(scopes) <= 16),
    groups_claim text not null check (length(groups_claim) <= 128),
    -- Groups and the roles that they give, one for one; the first that fits counts.
    rule_groups text[] not null check (cardinality(rule_groups) <= 64),
    rule_roles text[] not null check (cardinality(rule_roles) = cardinality(rule_groups)),
    default_role text check (length(default_role) <= 64),
    email_domains text[] not null check (cardinality(email_domains) <= 32),
    create_people boolean not null,
    created_by text not null,
    created_at timestamptz not null,
    deleted_at timestamptz
);
create index identity_providers_by_tenant on platform.identity_providers (tenant_id, name);

-- Who somebody is at a provider. Of the tenant whose provider it is: another tenant that trusts the
-- same issuer, or runs it, gets nowhere by it.
create table platform.identity_links (
    tenant_id uuid not null references platform.tenants (id),
    issuer text not null check (length(issuer) <= 512),
    subject text not null check (length(subject) between 1 and 255),
    provider_id uuid not null references platform.identity_providers (id),
    principal_id uuid not null references platform.people (principal_id),
    linked_at timestamptz not null,
    primary key (tenant_id, issuer, subject)
);
create index identity_links_by_principal on platform.identity_links (principal_id);

-- Sign-ins that began and are not completed.
create table platform.federated_sign_ins (
    state_hash bytea primary key check (length(state_hash) = 32),
    tenant_id uuid not null references platform.tenants (id),
    provider_id uuid not null references platform.identity_providers (id),
    binding_hash bytea not null check (length(binding_hash) = 32),
    nonce text not null,
    verifier_sealed bytea not null,
    -- Who wants to be linked; null for a sign-in.
    principal_id uuid references platform.people (principal_id),
    expires_at timestamptz not null
);
create index federated_sign_ins_by_expiry on platform.federated_sign_ins (expires_at);

-- Which provider opened a session: it says who somebody is to its own tenant and to nobody else.
alter table platform.sessions
    add column identity_provider_id uuid references platform.identity_providers (id);
create index sessions_by_identity_provider on platform.sessions (identity_provider_id)
    where identity_provider_id is not null;

alter table platform.identity_providers enable row level security, force row level security;
alter table platform.identity_links enable row level security, force row level security;
alter table platform.federated_sign_ins enable row level security, force row level security;
create policy tenant_or_platform on platform.identity_providers
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());
create policy tenant_or_platform on platform.identity_links
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());
create policy tenant_or_platform on platform.federated_sign_ins
    using (platform.is_tenant(tenant_id) or platform.is_platform())
    with check (platform.is_tenant(tenant_id) or platform.is_platform());

grant select, insert, update on platform.identity_providers to yard_auth;
grant select, insert, update, delete on platform.identity_links, platform.federated_sign_ins
    to yard_auth;

insert into platform.export_rules (relation, exported, without, reason) values
    ('identity_providers', true, '{client_secret_sealed}', ''),
    ('identity_links', true, '{}', ''),
    ('federated_sign_ins', false, '{}', 'signs people in');

reset role;
