-- From 0.2.0.
select auth_internal.retire_function('auth.purge_sandbox(regclass[], text)');
select auth_internal.retire_function('auth_internal.demand_superuser()');
