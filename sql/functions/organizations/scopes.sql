-- How the scopes of a credential limit what its bearer does to an organization. As in rules.sql.

-- A token with scopes gives no more than they cover, as the API keys that it makes.
create or replace function auth_internal.demand_scopes(permissions text[]) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    scopes text[] := auth_internal.token_scopes();
    lacking text;
begin
    if scopes is not null then
        select min(p collate "C") into lacking
          from unnest(permissions) p where auth_internal.permission_covers(scopes, p) is not true;
    end if;
    if lacking is not null then
        raise insufficient_privilege using
            message = 'the scopes of the token do not cover this',
            hint = format('It needs %s among them. Or use a token without scopes.', lacking);
    end if;
end
$$;
comment on function auth_internal.demand_scopes is '42501 for the identity of a token whose scopes do not cover these permissions.';

-- What the scopes of the identity's API key leave of these permissions.
create or replace function auth_internal.cut_by_scopes(permissions text[]) returns text[]
    language sql stable set search_path = pg_catalog, pg_temp as $$
    select auth_internal.common_permissions(cut_by_scopes.permissions,
        array(select jsonb_array_elements_text(auth.identity() -> 'permissions')))
$$;
comment on function auth_internal.cut_by_scopes is 'What the scopes of the identity''s API key leave of these permissions; nothing without an identity.';
