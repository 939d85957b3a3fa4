-- The functions are in src/pg/functions/demands.rs.

comment on function auth.require_authenticated is 'True when somebody is signed in. 28000 without an identity.';
comment on function auth.require_permission is
    'True when the identity has this permission in its current organization. 42501 when it has not, also for NULL; 28000 without an identity.';
comment on function auth.require_org is
    'True when this is the current organization. 42501 when it is another one, also for NULL; 28000 without an identity.';
comment on function auth.require_member is
    'True when the identity belongs to this organization. 42501 when it does not, also for one that does not exist and for NULL; 28000 without an identity.';
comment on function auth.require_workspace is
    'True when the identity belongs to this workspace. 42501 when it does not, also for one that does not exist and for NULL; 28000 without an identity.';
comment on function auth.require_aal is
    'True when the user signed in with this authenticator assurance level (aal1, aal2, aal3) or a higher one, by the token''s claim aal. 42501 when it says a lower one or none, and for an API key; 28000 without an identity; 22023 for what is no level, also for NULL.';
