-- Administering issuers. Every function demands an administrator, whoever was granted it.
-- They are security definer because the tables have no grants at all.

-- Whatever takes something away must survive a crash once it was acknowledged, and so must a key that its bearer goes on
-- using. Whoever turned this off for speed did not mean them.
create or replace function auth_internal.commit_durably() returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if current_setting('synchronous_commit') = 'off' then
        perform set_config('synchronous_commit', 'local', true);
    end if;
end
$$;
comment on function auth_internal.commit_durably is 'The commit of this transaction survives a crash of the server.';

-- Turns a violated constraint on one of our tables into an error about the argument it came from (22023).
create or replace function auth_internal.refuse_value(relation text, violated text) returns void
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    argument text := coalesce(substring(violated from '^' || relation || '_(.*)_check$'), violated);
begin
    perform auth_internal.refuse('22023', format('%s has a value that is not allowed', argument),
               coalesce((select d.description from pg_description d
                           join pg_attribute a on a.attrelid = d.objoid and a.attnum = d.objsubid
                           join pg_class c on c.oid = a.attrelid
                          where c.relname = relation and c.relnamespace = 'auth'::regnamespace
                            and d.classoid = 'pg_class'::regclass and a.attname = argument),
                        format('See the comments on auth.%s.', relation)));
end
$$;
comment on function auth_internal.refuse_value is 'The error for a violated constraint of one of our tables (22023).';

-- The row of an issuer, locked so that changes of its keys follow one another; 22023 when there is none.
create or replace function auth_internal.lock_issuer(name text) returns auth.issuers
    language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    found_issuer auth.issuers;
begin
    select * into found_issuer from auth.issuers i where i.issuer = name for update;
    if not found then
        raise invalid_parameter_value using
            message = 'no such issuer',
            hint = 'auth.list_issuers() shows those there are; the name is compared byte for byte.';
    end if;
    perform auth_internal.commit_durably();
    return found_issuer;
end
$$;
comment on function auth_internal.lock_issuer is 'The row of an issuer, locked; 22023 when there is none.';

-- Whoever limits an issuer to organizations does not trust it with the users of others.
create or replace function auth_internal.demand_own_users(org_ids uuid[], user_id_prefix text) returns void
    language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    -- With a separator the ids of others do not begin so by chance.
    if cardinality(org_ids) > 0 and user_id_prefix !~ '[^[:alnum:]]$' then
        raise invalid_parameter_value using
            message = 'user_id_prefix has a value that is not allowed',
            hint = 'An issuer with org_ids needs one that ends with a mark, such as acme:. Without it, its tokens name users of other issuers, whose rows they would see in tables that go by the user alone.';
    end if;
end
$$;
comment on function auth_internal.demand_own_users is '22023 for an issuer that is limited to organizations and could name users of others.';

create or replace function auth.add_issuer(
    issuer text,
    audiences text[] default '{}',
    algorithms text[] default '{}',
    token_types text[] default '{}',
    memberships_from_claims boolean default false,
    allow_service_role boolean default false,
    environment text default 'live',
    leeway interval default '30 seconds',
    max_lifetime interval default '0',
    org_claim text[] default '{org_id}',
    workspace_claim text[] default '{workspace_id}',
    role_claim text[] default '{role}',
    org_role_claim text[] default '{org_role}',
    permissions_claim text[] default '{permissions}',
    scopes_claim text[] default '{scope}',
    email_claim text[] default '{email}',
    org_ids uuid[] default '{}',
    user_id_prefix text default '',
    email_verified_claim text[] default '{email_verified}',
    own boolean default false
) returns uuid
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    new_id uuid;
    violated text;
begin
    perform auth_internal.require_administrator();
    insert into auth.issuers (issuer, audiences, algorithms, token_types, memberships_from_claims,
                              allow_service_role, environment, leeway, max_lifetime, org_claim,
                              workspace_claim, role_claim, org_role_claim, permissions_claim, scopes_claim,
                              email_claim, org_ids, user_id_prefix, email_verified_claim, own)
    values (issuer, audiences, algorithms, token_types, memberships_from_claims, allow_service_role,
            environment, leeway, max_lifetime, org_claim, workspace_claim, role_claim, org_role_claim,
            permissions_claim, scopes_claim, email_claim, org_ids, user_id_prefix, email_verified_claim, own)
    returning issuers.id into new_id;
    perform auth_internal.demand_own_users(org_ids, user_id_prefix);
    perform auth_internal.demand_distinct_issuer(issuer, own);
    perform auth_internal.audit('issuer.add', null, issuer);
    return new_id;
exception
    when unique_violation then
        raise unique_violation using
            message = 'this issuer exists already', hint = 'auth.update_issuer() changes it.';
    when check_violation then
        get stacked diagnostics violated = constraint_name;
        perform auth_internal.refuse_value('issuers', violated);
    when not_null_violation then
        get stacked diagnostics violated = column_name;
        perform auth_internal.refuse_value('issuers', violated);
end
$$;
comment on function auth.add_issuer is
    'Administrators: accepts tokens of an issuer from now on, once it has keys; returns its id. The columns of auth.issuers explain the arguments. With org_ids, user_id_prefix has to be given too. own: this database makes its tokens itself, with keys of auth.create_signing_key(); it takes no other keys. 22023 for a value that is not allowed, 23505 when it exists, 42501 for anybody else.';

create or replace function auth.update_issuer(
    issuer text,
    audiences text[] default null,
    algorithms text[] default null,
    token_types text[] default null,
    memberships_from_claims boolean default null,
    allow_service_role boolean default null,
    environment text default null,
    leeway interval default null,
    max_lifetime interval default null,
    org_claim text[] default null,
    workspace_claim text[] default null,
    role_claim text[] default null,
    org_role_claim text[] default null,
    permissions_claim text[] default null,
    scopes_claim text[] default null,
    email_claim text[] default null,
    org_ids uuid[] default null,
    user_id_prefix text default null,
    email_verified_claim text[] default null
) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    old auth.issuers;
    new auth.issuers;
    changed jsonb;
    violated text;
begin
    perform auth_internal.require_administrator();
    old := auth_internal.lock_issuer(issuer);
    update auth.issuers i set
        audiences = coalesce(update_issuer.audiences, old.audiences),
        algorithms = coalesce(update_issuer.algorithms, old.algorithms),
        token_types = coalesce(update_issuer.token_types, old.token_types),
        memberships_from_claims = coalesce(update_issuer.memberships_from_claims, old.memberships_from_claims),
        allow_service_role = coalesce(update_issuer.allow_service_role, old.allow_service_role),
        environment = coalesce(update_issuer.environment, old.environment),
        leeway = coalesce(update_issuer.leeway, old.leeway),
        max_lifetime = coalesce(update_issuer.max_lifetime, old.max_lifetime),
        org_claim = coalesce(update_issuer.org_claim, old.org_claim),
        workspace_claim = coalesce(update_issuer.workspace_claim, old.workspace_claim),
        role_claim = coalesce(update_issuer.role_claim, old.role_claim),
        org_role_claim = coalesce(update_issuer.org_role_claim, old.org_role_claim),
        permissions_claim = coalesce(update_issuer.permissions_claim, old.permissions_claim),
        scopes_claim = coalesce(update_issuer.scopes_claim, old.scopes_claim),
        email_claim = coalesce(update_issuer.email_claim, old.email_claim),
        org_ids = coalesce(update_issuer.org_ids, old.org_ids),
        user_id_prefix = coalesce(update_issuer.user_id_prefix, old.user_id_prefix),
        email_verified_claim = coalesce(update_issuer.email_verified_claim, old.email_verified_claim)
     where i.id = old.id
    returning i.* into new;
    -- What 0.1.0 let pass stays as long as nobody touches it.
    if org_ids is not null or user_id_prefix is not null then
        perform auth_internal.demand_own_users(coalesce(org_ids, old.org_ids), coalesce(user_id_prefix, old.user_id_prefix));
    end if;
    perform auth_internal.assume_algorithms(new);
    changed := auth_internal.changed_members(to_jsonb(old), to_jsonb(new));
    if changed is not null then
        perform auth_internal.audit('issuer.update', null, issuer, null, jsonb_build_object('changed', changed));
    end if;
exception
    when check_violation then
        get stacked diagnostics violated = constraint_name;
        perform auth_internal.refuse_value('issuers', violated);
    when unique_violation then
        raise unique_violation using
            message = 'two keys of the issuer would have one kid and algorithm', hint = 'auth.list_jwt_keys() shows them.';
end
$$;
comment on function auth.update_issuer is
    'Administrators: changes what is given and leaves the rest. Counts for every authenticate that starts after the commit. The columns of auth.issuers explain the arguments. RSA keys that say no algorithm follow algorithms. An issuer with org_ids needs a user_id_prefix, which renames its users: what they had under the old id is not theirs. 22023 for a value that is not allowed or an unknown issuer, 23505 where two keys would have one kid and algorithm, 42501 for anybody else.';

create or replace function auth.remove_issuer(issuer text) returns void
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    old auth.issuers;
begin
    perform auth_internal.require_administrator();
    old := auth_internal.lock_issuer(remove_issuer.issuer);
    delete from auth.jwt_secrets s using auth.jwt_keys k where s.key_id = k.id and k.issuer_id = old.id;
    delete from auth.jwt_keys k where k.issuer_id = old.id;
    -- Those that somebody else is deleting are gone soon; without the issuer none is good.
    delete from auth.minted_tokens t
     where t.id in (select m.id from auth.minted_tokens m where m.issuer_id = old.id for update skip locked);
    delete from auth.issuers i where i.id = old.id;
    perform auth_internal.audit('issuer.remove', null, old.issuer);
end
$$;
comment on function auth.remove_issuer is
    'Administrators: forgets an issuer, its keys and the tokens that we made for it. Its tokens are refused from the commit on. 22023 for an unknown issuer, 42501 for anybody else.';

create or replace function auth.list_issuers() returns setof auth.issuers
    language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform auth_internal.require_administrator();
    return query select * from auth.issuers i order by i.issuer;
end
$$;
comment on function auth.list_issuers is
    'Administrators: the issuers. The comments on the columns of auth.issuers explain them. 42501 for anybody else.';
