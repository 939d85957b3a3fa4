-- The key of the sign-in page, as nginx includes it: the name of a file and what is in it. The key is good for one call alone, which asks
-- for the password of a user.
select 'sign_in_key.conf', 'set $passed_credential "Bearer ' || key || '";'
  from auth.create_api_key('Sign-in page', kind => 'service', allowed_endpoints => '{POST /rpc/sign_in}');
