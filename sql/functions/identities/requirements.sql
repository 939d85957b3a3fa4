-- The functions are in src/pg/functions/demands.rs.

comment on function auth.require_authenticated is 'True when somebody is signed in. 28000 without an identity.';
comment on function auth.require_permission is
    'True when the identity has this permission in its current organization. 42501 when it has not, also for NULL; 28000 without an identity.';
comment on function auth.require_org is
    'True when this is the current organization. 42501 when it is another one, also for NULL; 28000 without an identity.';
