-- `make demo SCENARIO=drivly`: who may ask, and with what. Shows the name of each credential and the header that has it.
\o /dev/null
\ir setup.sql
\o
select auth.create_organization('Acme', owner_id => 'ada') as acme \gset
insert into api.invoices (id, org_id, amount)
    values ('1a000000-0000-4000-8000-000000000001', :'acme', 100), ('1a000000-0000-4000-8000-000000000002', :'acme', 200);
select 'one', '1a000000-0000-4000-8000-000000000001' union all select 'two', '1a000000-0000-4000-8000-000000000002';
select auth.add_member(:'acme', 'ivy', 'applicant') \g /dev/null
select key as key from auth.create_api_key('Server', :'acme', user_id => 'ada') \gset
select 'key', 'Authorization: Bearer ' || :'key';
select 'dashboard', 'Authorization: Bearer ' || auth.issue_jwt('ada', expires_at => now() + interval '1 day');
-- What POST /auth gives for the key.
begin;
select auth.authenticate(:'key') \g /dev/null
select 'reading', 'Authorization: Bearer ' || (api.auth('{invoices.read}') ->> 'token');
select 'writing', 'Authorization: Bearer ' || (api.auth('{invoices.write}') ->> 'token');
commit;
-- What the sign-in page gives ivy.
select s ->> 'token' as token, s ->> 'refresh_token' as refresh_token
  from api.begin_session('ivy', :'acme', '{profiles.read,profiles.write}') s \gset
select 'ivy', 'Authorization: Bearer ' || :'token' union all select 'refresh_token', :'refresh_token';
