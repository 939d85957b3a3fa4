-- What takes a credential. The functions are in src/pg/functions/authenticate.rs and api_keys.rs.

comment on function auth.authenticate is
    'Verifies a JWT or an API key ("Bearer " before it is tolerated), makes it the identity of this transaction and returns the identity. Of more than 50,000 organizations or workspaces, and of more than pg_bearer.max_granted_memberships that others gave and the user never accepted, the newest do not count. After an error that is caught, the identity is what it was before the call. Pass the credential as a bind parameter. 28000 when it is missing, refused or expired; 53400 for an API key beyond its rate limit; 55006 while a cursor is open or a query reads a table with policies or a view that asks for the identity; 42501 in a security-restricted operation; F0000 for a JWT when no issuer is configured, for a registered table that cannot be read, and for an API key with a rate limit without shared_preload_libraries.';
comment on function auth.sign_out is
    'Leaves the rest of the transaction without an identity. 55006 while a cursor is open or a query reads a table with policies or a view that asks for the identity; 42501 in a security-restricted operation.';
comment on function auth.verify_jwt is
    'Returns the claims of a good JWT; changes nothing. issuer and audience, when given, must be the token''s. 28000 when it is missing, refused or expired; F0000 when no issuer is configured.';
comment on function auth.check_jwt is
    'Administrators: the verdict on a JWT with its reason, and what the token says, believed or not. Never raises for a bad token. 42501 for anybody else.';
comment on function auth.check_api_key is
    'The verdict on an API key, here and now, as one row: never raises for a bad one, and every bad one looks the same, false and NULLs. scopes is what it may do; a publishable key has none. Changes nothing and is not counted.';
comment on function auth.explain_credential is
    'Administrators: the verdict on an API key or a JWT with its reason, and whose key it is. since is when it was revoked or expired. Restrictions of a key are looked at from client_address, origin and endpoint (GET /invoices) if any of them is given. Never raises for a bad credential. 22023 for a bad argument, 42501 for anybody else.';
