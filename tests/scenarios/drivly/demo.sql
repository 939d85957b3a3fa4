-- `make demo SCENARIO=drivly`: who may ask, and with what. Shows the name of each credential and the header that has it.
\o /dev/null
\ir setup.sql
\o
-- Users of Drivly: ada has an account, ivy comes to the page.
select auth.create_user('ada@example.com', 'correct horse battery') as ada, auth.create_user('ivy@example.com', 'a purple umbrella') as ivy \gset
select auth.create_organization('Acme', owner_id => :'ada') as acme \gset
insert into api.invoices (id, org_id, amount)
    values ('1a000000-0000-4000-8000-000000000001', :'acme', 100), ('1a000000-0000-4000-8000-000000000002', :'acme', 200);
select 'one', '1a000000-0000-4000-8000-000000000001' union all select 'two', '1a000000-0000-4000-8000-000000000002';
select key as key from auth.create_api_key('Server', :'acme', user_id => :'ada') \gset
select 'key', 'Authorization: Bearer ' || :'key';
select 'dashboard', 'Authorization: Bearer ' || (auth.issue_session(:'ada') ->> 'access_token');
-- What POST /auth gives for the key.
begin;
select auth.authenticate(:'key') \g /dev/null
select 'reading', 'Authorization: Bearer ' || (api.auth('{invoices.read}') ->> 'token');
select 'writing', 'Authorization: Bearer ' || (api.auth('{invoices.write}') ->> 'token');
commit;
-- Whoever signs in for this address gives to Acme what they give there.
insert into app.applications (redirect, org_id, name) values ('https://acme.example/signed-in', :'acme', 'Acme');
\ir nginx.sql
-- What the page gives ivy.
select auth.add_member(:'acme', :'ivy', 'applicant') \g /dev/null
select s ->> 'access_token' as token, s ->> 'refresh_token' as refresh_token
  from auth.issue_session(:'ivy', :'acme', '{profiles.read,profiles.write}', 'password') s \gset
select 'ivy', 'Authorization: Bearer ' || :'token' union all select 'refresh_token', :'refresh_token';
