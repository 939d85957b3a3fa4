-- `make demo SCENARIO=api_example`: who may ask, and with what. Shows the name of each credential and the header that has it.
\o /dev/null
\ir setup.sql
\o
select auth.create_organization('Acme', slug => 'acme', owner_id => 'ada') as acme \gset
insert into app.users (id, org_id, environment, name)
    values ('usr_123', :'acme', 'live', 'Grace'), ('usr_123', :'acme', 'test', 'Grace of the sandbox');
select 'dashboard', 'Authorization: Bearer ' || auth.issue_jwt('ada', expires_at => now() + interval '1 day');
select 'key', 'Authorization: Bearer ' || key from auth.create_api_key('Production Key', :'acme', user_id => 'ada');
select 'test_key', 'Authorization: Bearer ' || key from auth.create_api_key('Development', :'acme', 'test', user_id => 'ada');
select 'elsewhere', 'Authorization: Bearer ' || key
  from auth.create_api_key('Office', :'acme', user_id => 'ada', allowed_cidrs => '{192.0.2.0/24}');
select 'shop', 'Authorization: Bearer ' || key
  from auth.create_api_key('Shop', :'acme', user_id => 'ada', allowed_origins => '{https://shop.example.com}');
select 'endpoint', 'Authorization: Bearer ' || key
  from auth.create_api_key('Users alone', :'acme', user_id => 'ada', allowed_endpoints => '{GET /rpc/get_user}');
select 'charging', 'Authorization: Bearer ' || key from auth.create_api_key('Charging', :'acme', user_id => 'ada', scopes => '{charges.*}');
select id as old_id, 'Authorization: Bearer ' || key as old from auth.create_api_key('Old Key', :'acme', user_id => 'ada') \gset
select 'old', :'old' union all select 'old_path', '/v1/api-keys/' || app.key_name(:'old_id');
select 'cron', 'Authorization: Bearer ' || key from auth.create_api_key('Cron', kind => 'service', environment => 'test');
