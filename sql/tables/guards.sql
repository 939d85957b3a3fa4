-- What auth.guard() was asked for. It is restored with a dump, as the event triggers are.

create table auth.guard_settings (
    single boolean primary key default true check (single),
    schemas name[],
    new_tables text not null check (new_tables in ('protect', 'refuse', 'ignore'))
);

comment on table auth.guard_settings is 'What the guards of protected tables do; empty without guards.';
comment on column auth.guard_settings.single is 'True, so that there is one row at most.';
comment on column auth.guard_settings.schemas is 'The schemas in which new tables are looked at; NULL: all of applications.';
comment on column auth.guard_settings.new_tables is 'What becomes of a new table with a column for the organization: protect, refuse or ignore.';
alter table auth.guard_settings enable row level security;
select pg_catalog.pg_extension_config_dump('auth.guard_settings'::pg_catalog.regclass, '');
