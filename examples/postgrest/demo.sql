-- `make demo-http`: who may ask, and with what. Shows the name of each credential and the header that has it.
create extension pg_bearer;
\o /dev/null
\ir setup.sql
select auth.add_issuer('https://demo.example', own => true);
select auth.create_signing_key();
alter database :"DBNAME" set pg_bearer.user_creation = 'interactive';
\o
select auth.create_organization('Acme', slug => 'acme', owner_id => 'ada') as acme \gset
select auth.create_organization('Beta', slug => 'beta', owner_id => 'bo') as beta \gset
insert into api.notes (org_id, body) values (:'acme', 'of Acme'), (:'acme', 'of Acme too'), (:'beta', 'of Beta');

select auth.issue_jwt('ada', expires_at => now() + interval '1 day') as token \gset
select 'ada', 'Authorization: Bearer ' || :'token';
select 'forged', 'Authorization: Bearer ' || reverse(:'token');
select 'key', 'apikey: ' || key from auth.create_api_key('demo', :'acme');
select 'elsewhere', 'apikey: ' || key from auth.create_api_key('elsewhere', :'acme', allowed_cidrs => '{192.0.2.0/24}');
select 'spent', 'apikey: ' || key from auth.create_api_key('spent', :'acme', rate_limit => 1, rate_period => '1 day');
-- Of the page, which is no secret.
select 'publishable', 'apikey: ' || key from auth.create_api_key('page', kind => 'publishable');
