-- `make demo SCENARIO=founder_sherpa`: who may ask, and with what. Shows the name of each credential and the header that has it.
select gen_random_uuid()::text || gen_random_uuid() as supabase_secret \gset
\o /dev/null
\ir setup.sql
\o
\ir ../dramwell/signing.sql
select auth.create_user('user@example.com', 'your-password') as ann \gset
select auth.create_organization('Acme', owner_id => :'ann') as acme \gset
select auth.create_organization('Beta', owner_id => 'bo') as beta \gset
select auth.create_workspace(:'acme', 'Seed round') as ours \gset
select auth.create_workspace(:'beta', 'Their pitch') as theirs \gset
select auth.add_workspace_member(:'ours', :'ann') \g /dev/null
insert into app.documents (workspace_id, title) values (:'ours', 'deck'), (:'theirs', 'of another workspace');
select 'ours', :'ours' union all select 'theirs', :'theirs';
select 'apikey', 'apikey: ' || key from auth.create_api_key('web', kind => 'publishable');
select 'anon', 'apikey: ' || pg_temp.signed(:'supabase_secret'::bytea, jsonb_build_object(
    'iss', 'supabase', 'ref', 'abcdefghijklmnopqrst', 'role', 'anon',
    'iat', extract(epoch from now())::bigint, 'exp', extract(epoch from now() + interval '10 years')::bigint));
select key as server from auth.create_api_key('server', kind => 'service') \gset
select 'service', 'apikey: ' || :'server' union all select 'service_bearer', 'Authorization: Bearer ' || :'server';
select 'user', 'Authorization: Bearer ' || auth.issue_jwt(:'ann', expires_at => now() + interval '1 day');
begin;
select auth.sign_in_with_password('user@example.com', 'your-password') ->> 'refresh_token' as refresh_token \gset
commit;
select 'refresh_token', :'refresh_token';
