-- `make demo SCENARIO=infraaudit`: who may ask, and with what. Shows the name of each credential and the header that has it.
select gen_random_uuid()::text || gen_random_uuid() as supabase_secret \gset
\o /dev/null
\ir setup.sql
\o
\ir ../dramwell/signing.sql
select auth.create_user('user@example.com', 'your-password') as ann \gset
select auth.create_user('viewer@example.com', 'your-password') as vic \gset
select auth.create_organization('Acme', owner_id => :'ann') as acme \gset
select auth.create_organization('Beta', owner_id => 'bo') as beta \gset
select auth.add_member(:'acme', :'vic', 'viewer') \g /dev/null
insert into app.resources (org_id, name) values (:'acme', 'web-1'), (:'acme', 'db-1'), (:'beta', 'of another organization');
insert into app.drifts (org_id, resource_id, what) select org_id, id, 'port 22 is open' from app.resources;
select 'user', 'Authorization: Bearer ' || auth.issue_jwt(:'ann', expires_at => now() + interval '1 day');
select 'viewer', 'Authorization: Bearer ' || auth.issue_jwt(:'vic', expires_at => now() + interval '1 day');
select 'hs256', 'Authorization: Bearer ' || pg_temp.signed(:'supabase_secret'::bytea, jsonb_build_object(
    'iss', 'https://abcdefghijklmnopqrst.supabase.co/auth/v1', 'aud', 'authenticated', 'sub', :'ann', 'role', 'authenticated',
    'iat', extract(epoch from now())::bigint, 'exp', extract(epoch from now())::bigint + 3600));
select 'anon', 'apikey: ' || key from auth.create_api_key('web', kind => 'publishable');
begin;
select auth.authenticate(auth.issue_jwt(:'ann', expires_at => now() + interval '1 day')) \g /dev/null
select 'key', 'Authorization: Bearer ' || (api.create_api_key('Web UI') ->> 'key');
commit;
