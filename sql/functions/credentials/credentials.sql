-- What takes a credential. The functions are in src/pg/functions/authenticate.rs and api_keys.rs.

comment on function auth.authenticate is
    'Verifies a JWT or an API key ("Bearer " before it is tolerated), makes it the identity of this transaction and returns the identity. 28000 when it is missing, refused or expired; 53400 for an API key beyond its rate limit; F0000 for a JWT when no issuer is configured; 55006 while a cursor is open; 42501 in a security-restricted operation. After an error that is caught, the identity is what it was before the call.';
comment on function auth.sign_out is
    'Leaves the rest of the transaction without an identity. 55006 while a cursor is open.';
comment on function auth.verify_jwt is
    'The claims of a good JWT, or the error that auth.authenticate() would raise; changes nothing. issuer and audience, when given, must be the token''s.';
comment on function auth.check_jwt is
    'Administrators: the verdict on a JWT with its reason, and what the token says, believed or not. Never raises for a bad token.';
comment on function auth.check_api_key is
    'The verdict on an API key, here and now, as one row: never raises for a bad one, and every bad one looks the same, false and NULLs. scopes is what it may do; a publishable key has none. Changes nothing and is not counted.';
comment on function auth.explain_credential is
    'Administrators: the verdict on an API key or a JWT with its reason, and whose key it is. since is when it was revoked or expired. Restrictions of a key are looked at from client_address, origin and endpoint (GET /invoices) if any of them is given. Never raises for a bad credential; 22023 for a bad argument, 42501 for anybody else.';
