-- How the scopes of a credential limit what its bearer does to an organization. As in rules.sql.

-- A token with scopes gives no more than they cover, as the API keys that it makes.
create or replace function auth_internal.demand_scopes(permissions text[]) returns void
    language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    scopes text[] := auth_internal.token_scopes();
begin
    if scopes is not null and not auth_internal.all_covered(scopes, permissions) then
        raise insufficient_privilege using
            message = 'the scopes of the token do not cover what would be given',
            hint = 'Use a token without scopes, or with these permissions as scopes.';
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
