-- Organizations, workspaces, who belongs to them and as what.
-- As in issuers.sql: nobody has a grant, the functions alone read and write, and the functions, not
-- foreign keys, keep the tables together.
-- One constraint for each column: the functions tell the argument from the constraint's name. Lengths come
-- first: a regular expression needs four bytes for each character, and fails where they cannot be had.

create table auth.organizations (
    id uuid primary key default pg_catalog.gen_random_uuid(),
    slug text collate pg_catalog."C" unique
        check (pg_catalog.octet_length(slug) <= 63 and slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    name text not null
        check (pg_catalog.char_length(name) between 1 and 200 and name !~ '[[:cntrl:]]' and name ~ '[^[:space:]]'),
    external_id text collate pg_catalog."C" unique
        check (pg_catalog.octet_length(external_id) between 1 and 255
               and external_id !~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'),
    metadata jsonb not null default '{}'
        check (pg_catalog.jsonb_typeof(metadata) = 'object'
               and pg_catalog.octet_length(metadata::pg_catalog.text) <= 16384),
    created_at timestamptz not null default pg_catalog.now(),
    disabled_at timestamptz,
    revision bigint not null default 0,
    created_by text collate pg_catalog."C"
);

create table auth.workspaces (
    id uuid primary key default pg_catalog.gen_random_uuid(),
    org_id uuid not null,
    slug text collate pg_catalog."C"
        check (pg_catalog.octet_length(slug) <= 63 and slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    name text not null
        check (pg_catalog.char_length(name) between 1 and 200 and name !~ '[[:cntrl:]]' and name ~ '[^[:space:]]'),
    metadata jsonb not null default '{}'
        check (pg_catalog.jsonb_typeof(metadata) = 'object'
               and pg_catalog.octet_length(metadata::pg_catalog.text) <= 16384),
    created_at timestamptz not null default pg_catalog.now(),
    disabled_at timestamptz,
    unique (org_id, slug)
);

create index organizations_created_by on auth.organizations (created_by) where created_by is not null;

create index organizations_disabled on auth.organizations (disabled_at) where disabled_at is not null;

create index workspaces_org on auth.workspaces (org_id);

create table auth.roles (
    id uuid not null,
    builtin boolean not null default false,
    org_id uuid,
    name text collate pg_catalog."C" not null
        check (pg_catalog.octet_length(name) <= 63 and name ~ '^[a-z][a-z0-9_-]{0,62}$'),
    rank integer not null check (rank between 1 and 1000),
    permissions text[] not null default '{}'
        check (auth_internal.is_list_of(permissions, '^([*]|[^*[:cntrl:][:space:]]+([.][*])?)$', 200)),
    grantable text[] check (auth_internal.is_list_of(grantable, '^[a-z][a-z0-9_-]{0,62}(:own)?$', 1000)),
    created_at timestamptz not null default pg_catalog.now(),
    version uuid not null default pg_catalog.gen_random_uuid(),
    primary key (id, builtin),
    unique nulls not distinct (org_id, name, builtin)
);

create table auth.memberships (
    user_id text collate pg_catalog."C" not null check (pg_catalog.octet_length(user_id) between 1 and 1024),
    org_id uuid not null,
    role_id uuid not null,
    suspended boolean not null default false,
    created_at timestamptz not null default pg_catalog.clock_timestamp(),
    created_by text,
    id uuid not null default pg_catalog.gen_random_uuid(),
    accepted boolean,
    invitation_id uuid,
    primary key (user_id, org_id)
);

create index memberships_org on auth.memberships (org_id);

create index memberships_accepted on auth.memberships (user_id, accepted, created_at);

create table auth.workspace_memberships (
    user_id text collate pg_catalog."C" not null check (pg_catalog.octet_length(user_id) between 1 and 1024),
    workspace_id uuid not null,
    org_id uuid not null,
    role_id uuid not null,
    suspended boolean not null default false,
    created_at timestamptz not null default pg_catalog.clock_timestamp(),
    created_by text,
    id uuid not null default pg_catalog.gen_random_uuid(),
    accepted boolean,
    membership_id uuid,
    primary key (user_id, workspace_id)
);

create index workspace_memberships_workspace on auth.workspace_memberships (workspace_id);

create index workspace_memberships_accepted on auth.workspace_memberships (user_id, accepted, created_at);

create table auth.invitations (
    id uuid primary key default pg_catalog.gen_random_uuid(),
    org_id uuid not null,
    workspace_id uuid,
    email text
        check (pg_catalog.octet_length(email) <= 320 and email ~ '^[^@[:cntrl:][:space:]]+@[^@[:cntrl:][:space:]]+$'
               and email = pg_catalog.lower(email collate pg_catalog."C")),
    role_id uuid not null,
    token_hash bytea not null unique check (pg_catalog.octet_length(token_hash) = 32),
    created_by text,
    created_at timestamptz not null default pg_catalog.now(),
    expires_at timestamptz not null,
    accepted_at timestamptz,
    accepted_by text,
    revoked_at timestamptz,
    accepted_email text,
    membership_id uuid,
    check ((accepted_at is null) = (accepted_by is null)),
    check (accepted_at is null or revoked_at is null)
);

create index invitations_org on auth.invitations (org_id);

create index invitations_open_org on auth.invitations (org_id, expires_at)
    where accepted_at is null and revoked_at is null;

create index invitations_open_created_by on auth.invitations (created_by, expires_at)
    where accepted_at is null and revoked_at is null;

create index invitations_accepted_by on auth.invitations (accepted_by) where accepted_by is not null;

create table auth.endings (
    id uuid primary key default pg_catalog.gen_random_uuid(),
    kind text not null
        check (kind in ('membership', 'membership_role', 'workspace_membership', 'workspace_membership_role',
                        'organization', 'workspace', 'invitation', 'role')),
    target_id uuid not null,
    org_id uuid not null,
    user_id text collate pg_catalog."C",
    role_id uuid,
    deleted boolean not null default false,
    rank integer check (rank between 1 and 1000),
    permissions text[] check (auth_internal.is_list_of(permissions, '^([*]|[^*[:cntrl:][:space:]]+([.][*])?)$', 200)),
    grantable text[] check (auth_internal.is_list_of(grantable, '^[a-z][a-z0-9_-]{0,62}(:own)?$', 1000)),
    ended_at timestamptz not null default pg_catalog.clock_timestamp(),
    ended_by text,
    former_role_id uuid
);

create index endings_target on auth.endings (target_id);

create index endings_user on auth.endings (user_id, target_id);

create index endings_org on auth.endings (org_id);

create table auth.creation_rates (
    user_id text collate pg_catalog."C" not null,
    kind text not null check (kind in ('organizations', 'workspaces', 'roles', 'invitations')),
    busy_until timestamptz not null,
    primary key (user_id, kind)
);

create table auth.membership_sources (
    source regclass primary key,
    user_column name not null,
    org_column name not null,
    role_column name,
    created_at timestamptz not null default pg_catalog.now()
);

comment on table auth.organizations is 'The tenants. A user acts in those that have a membership of his.';
comment on column auth.organizations.id is 'Identifies the organization, in tokens and policies too.';
comment on column auth.organizations.slug is 'Short name for addresses, of a to z, 0 to 9 and hyphens, at most 63; NULL: none.';
comment on column auth.organizations.name is 'Name for people: 1 to 200 characters, not only blanks, no control characters.';
comment on column auth.organizations.external_id is 'What another system calls it, 1 to 255 bytes and not a uuid; tokens may use it instead of the id. NULL: nothing.';
comment on column auth.organizations.metadata is 'A JSON object of up to 16384 bytes that means nothing to the library.';
comment on column auth.organizations.created_at is 'When it was created.';
comment on column auth.organizations.disabled_at is 'When it was disabled; NULL while it is not.';
comment on column auth.organizations.revision is 'Raised by every change of the organization, its workspaces, members, roles and invitations; makes a concurrent REPEATABLE READ transaction fail instead of acting on what it was.';
comment on column auth.organizations.created_by is 'The user who created it; NULL: a service or an administrator.';
comment on index auth.organizations_created_by is 'Counts the organizations that a user created.';
comment on table auth.workspaces is 'Parts of an organization with members of their own.';
comment on column auth.workspaces.id is 'Identifies the workspace, in tokens and policies too.';
comment on column auth.workspaces.org_id is 'The organization it is a part of; never changes.';
comment on column auth.workspaces.slug is 'Short name for addresses, unique in the organization, of a to z, 0 to 9 and hyphens, at most 63; NULL: none.';
comment on column auth.workspaces.name is 'Name for people: 1 to 200 characters, not only blanks, no control characters.';
comment on column auth.workspaces.metadata is 'A JSON object of up to 16384 bytes that means nothing to the library.';
comment on column auth.workspaces.created_at is 'When it was created.';
comment on column auth.workspaces.disabled_at is 'When it was disabled; NULL while it is not.';
comment on index auth.organizations_disabled is 'Tells quickly which organizations are disabled, where many have to be asked about.';
comment on index auth.workspaces_org is 'Finds the workspaces of an organization.';
comment on table auth.roles is 'What members may do. A row that is not builtin goes before the builtin one with the same id.';
comment on column auth.roles.id is 'Identifies the role in memberships; the same for a built-in role and the change of it.';
comment on column auth.roles.builtin is 'It came with the extension. Such rows never change and are left out of dumps.';
comment on column auth.roles.org_id is 'The organization that has the role; NULL: every organization.';
comment on column auth.roles.name is 'Of a to z, 0 to 9, hyphens and underscores, begins with a letter, at most 63 bytes.';
comment on column auth.roles.rank is '1 or more and below 1000, which is owner''s alone. Members change only members whose role has a lower rank, and grant only roles of a lower rank.';
comment on column auth.roles.permissions is 'Dotted names; "a.*" covers all below "a.", "*" everything. At most 200, each of up to 100 bytes, without blanks.';
comment on column auth.roles.grantable is 'Names of the roles that its members may grant, at most 1000; NULL: every role of a lower rank.';
comment on column auth.roles.created_at is 'When it was defined.';
comment on column auth.roles.version is 'Another one after every change of the role.';
comment on table auth.memberships is 'Who belongs to which organization, with one role.';
comment on column auth.memberships.user_id is 'The user, as auth.user_id() names him, 1 to 1024 bytes.';
comment on column auth.memberships.org_id is 'The organization.';
comment on column auth.memberships.role_id is 'His role there, of the organization or of every one.';
comment on column auth.memberships.suspended is 'The organization is disabled.';
comment on column auth.memberships.created_at is 'Since when.';
comment on column auth.memberships.created_by is 'The user who made him a member; NULL: a service or an administrator.';
comment on column auth.memberships.id is 'Identifies the membership: whoever is removed and comes back has another one.';
comment on column auth.memberships.accepted is 'The user created the organization, accepted an invitation or confirmed the membership; or a service or an administrator made it. NULL, in rows of 0.1.0 that others made: as created_by says.';
comment on column auth.memberships.invitation_id is 'The invitation that it came by; NULL: none.';
comment on index auth.memberships_accepted is 'Finds the memberships of a user in the order in which they count, where there are too many.';
comment on index auth.memberships_org is 'Finds the members of an organization.';
comment on table auth.workspace_memberships is 'Who belongs to which workspace, with one role. All of them belong to its organization.';
comment on column auth.workspace_memberships.user_id is 'The user, as auth.user_id() names him, 1 to 1024 bytes.';
comment on column auth.workspace_memberships.workspace_id is 'The workspace.';
comment on column auth.workspace_memberships.org_id is 'The organization of the workspace.';
comment on column auth.workspace_memberships.role_id is 'His role there, of the organization or of every one.';
comment on column auth.workspace_memberships.suspended is 'The workspace or its organization is disabled.';
comment on column auth.workspace_memberships.created_at is 'Since when.';
comment on column auth.workspace_memberships.created_by is 'The user who made him a member; NULL: a service or an administrator.';
comment on column auth.workspace_memberships.id is 'Identifies the membership: whoever is removed and comes back has another one.';
comment on column auth.workspace_memberships.accepted is 'As in auth.memberships.';
comment on column auth.workspace_memberships.membership_id is 'The membership of the organization that it is part of and ends with; NULL, in rows of 0.1.0: whichever there is.';
comment on index auth.workspace_memberships_accepted is 'Finds the memberships of a user in the order in which they count, where there are too many.';
comment on index auth.workspace_memberships_workspace is 'Finds the members of a workspace.';
comment on table auth.invitations is 'Who may become a member by showing a token. The token itself is not stored.';
comment on column auth.invitations.id is 'Identifies the invitation, for auth.revoke_invitation().';
comment on column auth.invitations.org_id is 'The organization.';
comment on column auth.invitations.workspace_id is 'The workspace that comes with it; NULL: none.';
comment on column auth.invitations.email is 'The only verified e-mail address that may accept, in small letters (of A to Z), up to 320 bytes; NULL: whoever has the token.';
comment on column auth.invitations.role_id is 'The role it gives.';
comment on column auth.invitations.token_hash is 'SHA-256 of the token.';
comment on column auth.invitations.created_by is 'The user who invites, who must still be allowed to when it is accepted; NULL: a service or an administrator.';
comment on column auth.invitations.created_at is 'When it was created.';
comment on column auth.invitations.expires_at is 'It is worth nothing from this time on.';
comment on column auth.invitations.accepted_at is 'When it was accepted.';
comment on column auth.invitations.accepted_by is 'The user who accepted it.';
comment on column auth.invitations.revoked_at is 'When it was revoked.';
comment on column auth.invitations.accepted_email is 'The verified e-mail address of the user who accepted it, in small letters (of A to Z); NULL: none was known.';
comment on column auth.invitations.membership_id is 'The membership of the user who invites, with which the invitation ends; NULL: a service or an administrator invites, or 0.1.0 made it.';
comment on index auth.invitations_accepted_by is 'Finds the addresses of a user.';
comment on index auth.invitations_open_org is 'Counts the open invitations of an organization.';
comment on index auth.invitations_open_created_by is 'Counts the open invitations of a user.';
comment on index auth.invitations_org is 'Finds the invitations of an organization.';
comment on table auth.endings is 'What was ended while another transaction held its row. It counts as if the row had been changed; auth.purge_endings() does that later.';
comment on column auth.endings.id is 'Identifies the ending.';
comment on column auth.endings.kind is 'What has ended: membership, workspace_membership, organization, workspace, invitation; or what was changed: membership_role, workspace_membership_role, role.';
comment on column auth.endings.target_id is 'The id of the row that it counts for.';
comment on column auth.endings.org_id is 'The organization that it belongs to.';
comment on column auth.endings.user_id is 'The user whose membership it is; NULL for other kinds.';
comment on column auth.endings.role_id is 'The role that a member has from now on.';
comment on column auth.endings.deleted is 'An organization or workspace was deleted, not only disabled.';
comment on column auth.endings.rank is 'Of a role: its rank from now on, 1 to 1000. Of a membership: the rank of whoever ended it, whom a member of a higher rank need not heed.';
comment on column auth.endings.permissions is 'What a role permits from now on, as in auth.roles: at most 200 permissions, each of up to 100 bytes.';
comment on column auth.endings.grantable is 'What the members of a role may grant from now on, at most 1000 names, as in auth.roles.';
comment on column auth.endings.ended_at is 'When it was ended or changed.';
comment on column auth.endings.ended_by is 'The user who did it; NULL: a service or an administrator.';
comment on column auth.endings.former_role_id is 'Of a membership: the role that its row named. As long as it does, the ending counts, whatever becomes of that role.';
comment on index auth.endings_target is 'Finds the endings of something.';
comment on index auth.endings_user is 'Finds the endings of a user''s memberships.';
comment on index auth.endings_org is 'Finds the endings in an organization.';
comment on table auth.creation_rates is 'How fast users created what quotas limit, for those who create and delete without end. Not dumped: it is about the last hour.';
comment on column auth.creation_rates.user_id is 'The user who creates.';
comment on column auth.creation_rates.kind is 'Of what: organizations, workspaces, roles, invitations.';
comment on column auth.creation_rates.busy_until is 'Moved on by each creation, by as much of an hour as it takes of what the hour allows; nothing is created that would move it beyond an hour from now.';
comment on table auth.membership_sources is 'Tables of the application that say who belongs to which organization. The library reads them directly: no SQL of their owners runs, and no grant or policy on them is needed or made.';
comment on column auth.membership_sources.source is 'The table, of the application.';
comment on column auth.membership_sources.user_column is 'Its column with the user, as auth.user_id() names him.';
comment on column auth.membership_sources.org_column is 'Its column with the organization: id or external_id.';
comment on column auth.membership_sources.role_column is 'Its column with the name of the role; NULL: it has none.';
comment on column auth.membership_sources.created_at is 'When it was registered.';

alter table auth.organizations enable row level security;
alter table auth.workspaces enable row level security;
alter table auth.roles enable row level security;
alter table auth.memberships enable row level security;
alter table auth.workspace_memberships enable row level security;
alter table auth.invitations enable row level security;
alter table auth.creation_rates enable row level security;
alter table auth.membership_sources enable row level security;
alter table auth.endings enable row level security;

insert into auth.roles (id, version, builtin, name, rank, permissions, grantable) values
    ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000001', true, 'owner', 1000, '{*}', null),
    ('00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000002', true, 'admin', 800, '{*}', null),
    ('00000000-0000-4000-8000-000000000003', '00000000-0000-4000-8000-000000000003', true, 'member', 400,
     '{organization.read,members.read,workspaces.read,roles.read}', '{}'),
    ('00000000-0000-4000-8000-000000000004', '00000000-0000-4000-8000-000000000004', true, 'viewer', 200,
     '{organization.read,members.read,workspaces.read,roles.read}', '{}');
select pg_catalog.pg_extension_config_dump('auth.organizations'::pg_catalog.regclass, '');
select pg_catalog.pg_extension_config_dump('auth.workspaces'::pg_catalog.regclass, '');
select pg_catalog.pg_extension_config_dump('auth.roles'::pg_catalog.regclass, 'where not builtin');
select pg_catalog.pg_extension_config_dump('auth.memberships'::pg_catalog.regclass, '');
select pg_catalog.pg_extension_config_dump('auth.workspace_memberships'::pg_catalog.regclass, '');
select pg_catalog.pg_extension_config_dump('auth.invitations'::pg_catalog.regclass, '');
select pg_catalog.pg_extension_config_dump('auth.endings'::pg_catalog.regclass, '');
-- Not a table that is gone: its number could be another's where the dump is restored.
select pg_catalog.pg_extension_config_dump('auth.membership_sources'::pg_catalog.regclass,
    'where exists (select from pg_catalog.pg_class c where c.oid = source)');
