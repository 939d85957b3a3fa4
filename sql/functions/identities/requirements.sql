-- The functions are in src/pg/functions/demands.rs.

comment on function auth.require_authenticated is 'True, or 28000 without an identity.';
comment on function auth.require_permission is
    'True, or 42501 without this permission in the current organization, also for NULL; 28000 without an identity.';
comment on function auth.require_org is
    'True, or 42501 when this is not the current organization, also for NULL; 28000 without an identity.';
