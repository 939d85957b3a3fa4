-- `make demo SCENARIO=dramwell`: who may ask, and with what. Shows the name of each credential and the header that has it.
select gen_random_uuid()::text || gen_random_uuid() as supabase_secret \gset
\o /dev/null
\ir setup.sql
\o
\ir signing.sql
create function pg_temp.header(secret text, claims jsonb, ends interval) returns text language sql return
    'Authorization: Bearer ' || pg_temp.signed(secret::bytea, claims || jsonb_build_object(
        'iat', extract(epoch from least(now(), now() + ends - interval '1 hour'))::bigint, 'exp', extract(epoch from now() + ends)::bigint));
create function pg_temp.member(org text, role text, permissions text[]) returns jsonb language sql return jsonb_build_object(
    'iss', 'https://abcdefghijklmnopqrst.supabase.co/auth/v1', 'aud', 'authenticated', 'role', 'authenticated', 'sub', gen_random_uuid(),
    'app_metadata', jsonb_build_object('org_id', org, 'role', role, 'permissions', permissions));

select auth.create_organization('Distillery', owner_id => 'ann') as ours \gset
select auth.create_organization('Brewery', owner_id => 'eve') as theirs \gset
insert into app.customers (org_id, environment, name)
    values (:'ours', 'live', 'real'), (:'ours', 'test', 'of the sandbox'), (:'theirs', 'live', 'of another organization');
insert into app.jobs (org_id, environment, title) values (:'ours', 'live', 'bottle'), (:'theirs', 'live', 'brew');
select 'key', 'Authorization: Bearer ' || key from auth.create_api_key('Till', :'ours', user_id => 'ann');
select 'test_key', 'Authorization: Bearer ' || key from auth.create_api_key('CI', :'ours', 'test', user_id => 'ann');
select 'report', 'Authorization: Bearer ' || key from auth.create_api_key('Report', :'ours', user_id => 'ann', scopes => '{customers.read}');
select id as old_id, 'Authorization: Bearer ' || key as old from auth.create_api_key('Leaked', :'ours', user_id => 'ann') \gset
select 'old', :'old' union all select 'old_path', '/v1/api-keys/' || :'old_id';
select 'owner', pg_temp.header(:'supabase_secret', pg_temp.member(:'ours', 'owner', '{}') || '{"sub": "ann"}', '1 hour');
select 'member', pg_temp.header(:'supabase_secret', pg_temp.member(:'ours', 'member', '{customers.*,jobs.*}'), '1 hour');
select 'viewer', pg_temp.header(:'supabase_secret', pg_temp.member(:'ours', 'viewer', '{jobs.read}'), '1 hour');
select 'expired', pg_temp.header(:'supabase_secret', pg_temp.member(:'ours', 'member', '{jobs.*}'), '-1 minute');
-- A member who signs in here, and an admin who has signed in to the panel.
select key as apikey from auth.create_api_key('web', kind => 'publishable') \gset
select auth.create_user('max@example.com', 'correct horse battery') as max, auth.create_user('ada@example.com', 'a purple umbrella') as ada \gset
select auth.add_member(:'ours', :'max', 'member'), auth.add_member(:'ours', :'ada', 'admin') \g /dev/null
select 'apikey', 'apikey: ' || :'apikey' union all select 'panel', 'Authorization: Bearer ' || (auth.issue_session(:'ada') ->> 'access_token');
select s ->> 'access_token' as token, s ->> 'refresh_token' as refresh_token from auth.issue_session(:'max') s \gset
select 'session', 'Authorization: Bearer ' || :'token' union all select 'refresh_token', :'refresh_token';
select 'service_role', pg_temp.header(:'supabase_secret', '{"iss": "supabase", "role": "service_role"}', '10 years');
