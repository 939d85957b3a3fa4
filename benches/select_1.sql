begin;
select 1;
select 1;
commit;
