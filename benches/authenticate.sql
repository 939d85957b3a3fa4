begin;
select auth.authenticate(:token);
select auth.current_org();
commit;
