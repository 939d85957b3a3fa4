-- The page at GET /auth, where a user signs in and lets an application act. There is no script and no cookie.
create schema app;
grant usage on schema app to web_anon, web_service;

-- The addresses that users are sent back to, each exactly as it is written here, and the organization to which belongs what they give there.
-- Drivly's own people enter them: whoever could list the address of another application would get what its users give.
create table app.applications (
    redirect text primary key check (redirect ~ '^https://[a-z0-9.-]+(?::[0-9]+)?/[A-Za-z0-9._~/-]*$'),
    org_id uuid not null,
    name text not null check (name ~ '[^[:space:]]' and name !~ '[[:cntrl:]]'),
    -- What it may ask of users, at most.
    permissions text[] not null default '{profiles.read,profiles.write}'
        check (permissions <@ '{profiles.read,profiles.write}' and permissions <> '{}')
);
create index on app.applications (org_id);
select auth.protect('app.applications');

-- Everybody may ask for one by its address; the list is nobody's. So it runs as its owner, as nothing else here does. auth.lint() names it.
create function app.listed(redirect text) returns app.applications language sql stable security definer set search_path = pg_catalog, pg_temp
begin atomic
    select a from app.applications a where a.redirect = listed.redirect;
end;

-- PostgREST sends what has this type to browsers as it is.
create domain api."text/html" as text;

create function app.escaped(said text) returns text language sql immutable
    return replace(replace(replace(replace(said, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;');

-- A page whose form, if there is one, leads here and from here to this address. Firefox and Chrome say `Origin: null` where a page has the
-- policy no-referrer, so it is same-origin: other sites are told nothing either.
create function app.page(status integer, title text, content text, redirect text default null) returns text language plpgsql as $$
declare
    said jsonb := coalesce(nullif(current_setting('response.headers', true), '')::jsonb, '[]');
    leads_to constant text := coalesce('''self'' ' || substring(redirect from '^https://[^/]+'), '''none''');
begin
    select coalesce(jsonb_agg(h), '[]') into said from jsonb_array_elements(said) h where not h ? 'Cache-Control';
    said := said || '[{"Cache-Control": "no-store"}, {"Referrer-Policy": "same-origin"}, {"X-Frame-Options": "DENY"}, '
        '{"Content-Type": "text/html; charset=utf-8"}]'
        || jsonb_build_array(jsonb_build_object('Content-Security-Policy',
            'default-src ''none''; base-uri ''none''; frame-ancestors ''none''; form-action ' || leads_to));
    perform set_config('response.headers', said::text, true);
    perform set_config('response.status', status::text, true);
    return format('<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
                  '<title>%1$s</title><main><h1>%1$s</h1>%2$s</main></html>', app.escaped(title), content);
end $$;

-- What an application asks for, if it may: nothing else of a request is ever sent back.
create function app.asked(redirect text, permissions text, state text, out application app.applications, out asked text[])
    language plpgsql stable as $$
begin
    application := app.listed(redirect);
    asked := coalesce(string_to_array(nullif(asked.permissions, ''), ','), application.permissions);
    if not asked <@ application.permissions or asked = '{}' or state !~ '^[A-Za-z0-9._~-]{0,128}$' then
        application := null;
    end if;
end $$;

create function app.unknown_page() returns text language sql
    return app.page(400, 'This link does not work', '<p>The application that sent you here made a mistake, or is unknown to Drivly.</p>');

create function app.form(application app.applications, asked text[], state text, status integer, message text) returns text language sql
    return app.page(status, 'Sign in to Drivly', format(
        '%s<p><strong>%s</strong> (%s) asks to do this for you:</p><ul>%s</ul>'
        '<p>What you enter there belongs to it. It never sees your social security number and card numbers. '
        'If you do not want that, close this page.</p>'
        '<form method="post" action="/auth/sign_in">'
        '<input type="hidden" name="redirect" value="%s"><input type="hidden" name="permissions" value="%s">'
        '<input type="hidden" name="state" value="%s">'
        '<p><label>E-mail <input name="email" type="email" autocomplete="username" required></label></p>'
        '<p><label>Password <input name="password" type="password" autocomplete="current-password" required></label></p>'
        '<p><button name="consent" value="given">Sign in and allow it</button></p></form>',
        '<p role="alert">' || app.escaped(message) || '</p>', app.escaped(application.name), substring(application.redirect from '^https://([^/]+)'),
        (select string_agg(case p when 'profiles.read' then '<li>read your profile</li>' else '<li>change your profile</li>' end, '' order by p)
           from unnest(asked) p),
        application.redirect, array_to_string(asked, ','), coalesce(state, '')), application.redirect);

-- GET /auth
create function api.sign_in_page(redirect text default null, permissions text default null, state text default null)
    returns api."text/html" language plpgsql stable as $$
declare
    valid record := app.asked(redirect, permissions, state);
begin
    if valid.application is null then
        return app.unknown_page();
    end if;
    return app.form(valid.application, valid.asked, state, 200, null);
end $$;

-- The user whom email and password name, or why there is none. The session that signing in begins would be good for everything the user
-- may do: it is undone. What was tried stays counted.
create function app.checked_user(email text, password text, out user_id text, out refusal jsonb) language plpgsql as $$
declare
    answer jsonb;
begin
    answer := auth.sign_in_with_password(email, password);
    if answer ? 'error' then
        refusal := answer;
        return;
    end if;
    user_id := answer #>> '{user,id}';
    raise exception using errcode = 'DR001', message = 'the session is undone';
exception when sqlstate 'DR001' then
    return;
end $$;

-- Whoever is a member already keeps the role: the session has what was asked for and no more.
create function app.join_as_applicant(org_id uuid, user_id text) returns void language plpgsql as $$
begin
    if not exists (select from auth.list_members(org_id) m where m.user_id = join_as_applicant.user_id) then
        perform auth.add_member(org_id, user_id, 'applicant');
    end if;
exception when unique_violation then
    -- Another request of the user was faster.
    null;
end $$;

-- POST /auth/sign_in. Whoever calls it acts as the page, a service, whose key nginx has.
create function api.sign_in(
    redirect text default null, permissions text default null, state text default null, email text default null, password text default null,
    consent text default null
) returns api."text/html" language plpgsql as $$
declare
    valid record := app.asked(redirect, permissions, state);
    checked record;
    begun jsonb;
begin
    if valid.application is null or consent is distinct from 'given' then
        return app.unknown_page();
    end if;
    checked := app.checked_user(email, password);
    if checked.user_id is null then
        return app.form(valid.application, valid.asked, state, current_setting('response.status')::integer,
                        case checked.refusal ->> 'error' when 'too_many_requests' then 'Too many tries. Wait some minutes.'
                                                         else 'E-mail or password is wrong.' end);
    end if;
    perform app.join_as_applicant((valid.application).org_id, checked.user_id);
    begun := auth.issue_session(checked.user_id, (valid.application).org_id, valid.asked, 'password');
    perform set_config('response.status', '303', true);
    perform set_config('response.headers', ('[{"Cache-Control": "no-store"}, {"Referrer-Policy": "no-referrer"}]' || jsonb_build_array(
        -- Tokens have characters that need no encoding: RFC 7515 section 2, RFC 3986 section 2.3.
        jsonb_build_object('Location', (valid.application).redirect || '#token=' || (begun ->> 'access_token')
            || '&refresh_token=' || (begun ->> 'refresh_token') || coalesce('&state=' || nullif(state, ''), ''))))::text, true);
    return '';
end $$;

revoke execute on function api.sign_in_page, api.sign_in from public;
grant execute on function api.sign_in_page to web_anon;
grant execute on function api.sign_in to web_service;
