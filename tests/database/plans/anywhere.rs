//! Wherever a call may stand, it gives what it gave without help of the planner, and no error.

use super::*;

/// The schema that the statements below use.
const SCENE: &str = "
create table t (id int primary key, org_id uuid, body text, n int);
insert into t select n, case n % 3 when 0 then '0a000000-0000-4000-8000-00000000000a'::uuid when 1 then '0b000000-0000-4000-8000-00000000000b' end, 'b' || n % 4, n % 5 from generate_series(1, 60) n;
create index on t (org_id); analyze t;
create table checked (id int, o uuid default auth.current_org(), r text default auth.role(),
  check (auth.role() = 'r' or id < 0), check (auth.in_org(o) or o is null), check (auth.is_member(o) or o is null));
create table child (extra int) inherits (t);
insert into child select 100 + n, '0a000000-0000-4000-8000-00000000000a', 'c', n, n from generate_series(1, 5) n;
create table fired (what text);
create function note() returns trigger language plpgsql as $$ begin insert into fired values (auth.role()); return new; end $$;
create trigger noted after insert on checked for each row when (auth.role() = 'r' and auth.in_org(new.o)) execute function note();
create view seen as select id, auth.role() as r, auth.claim('n') as n, body from t where auth.has_permission('a.read');
create view grouped as select auth.role() as r, count(*) from t group by auth.role();
create function one(x text) returns text language sql stable as 'select x || auth.role() || coalesce(auth.claim(''n''), '''')';
create function twice(x text) returns text language sql stable as 'select x || x';
create function rows_of(x text) returns setof t language sql stable as 'select * from t where body = x or auth.role() = x';
create function lim() returns bigint language sql stable as 'select auth.claim(''n'')::bigint';
create function loops() returns text language plpgsql as $$
declare r text := ''; x record;
begin
  for x in select id, auth.role() as q from t where auth.in_org(org_id) order by id limit 3 loop r := r || x.q || x.id; end loop;
  if auth.role() = 'r' and auth.has_permission('a.read') then r := r || auth.claim('n'); end if;
  return r || (select count(*) from t where auth.is_member(org_id) and auth.has_permission('a.read'));
end $$;
grant all on all tables in schema public to tenant;
";

const STATEMENTS: &[&str] = &[
    "select auth.role(), count(*) from t group by auth.role()",
    "select auth.role() || 'x', count(*) from t group by auth.role()",
    "select auth.role() || body, count(*) from t group by auth.role(), body order by auth.role(), 1, 2",
    "select auth.role() || 'x', body, count(*) from t group by rollup (auth.role(), body) order by 1, 2",
    "select auth.role(), count(*) from t group by grouping sets ((auth.role()), ()) order by 1",
    "select auth.role() is null, count(*) from t group by cube (auth.role()) having auth.role() is null",
    "select auth.role(), grouping(auth.role()), count(*) from t group by rollup (auth.role()) order by 2",
    "select count(*) from t group by body having auth.role() = 'r' and count(*) > 1 order by 1",
    "select body from t group by body having auth.has_permission('a.read') and max(id) > auth.claim('n')::int order by 1",
    "select id from t order by auth.role(), id limit 3",
    "select auth.role() from t order by auth.role() limit 3",
    "select distinct auth.role(), body from t order by auth.role(), body",
    "select distinct on (auth.role()) auth.role(), id from t order by auth.role(), id",
    "select distinct auth.role() || 'x' from t order by auth.role() || 'x'",
    "select id, row_number() over (partition by auth.role() order by auth.claim('n'), id) from t order by id limit 4",
    "select id, ntile(auth.claim('n')::int) over (order by id rows between auth.claim('n')::int preceding and current row) from t order by id limit 4",
    "select string_agg(auth.role(), auth.claim('n') order by auth.role(), id) from t where id < 4",
    "select count(*) filter (where auth.has_permission('a.read')), max(auth.role()) from t",
    "select percentile_cont(auth.claim('f')::float) within group (order by id) from t",
    "select id from t order by id limit auth.claim('n')::int offset auth.claim('n')::int",
    "select count(*) from t where exists (select from t u where u.id = t.id limit auth.claim('n')::int)",
    "select count(*) from t where auth.role() = 'r' and exists (select from t u where u.id = t.id limit auth.claim('n')::int)",
    "select count(*) from t where auth.role() = 'r' and exists (select from t u where u.id = t.id limit lim())",
    "select count(*) from t where exists (select from t u where u.n = t.n and auth.has_permission('a.read') and u.id > auth.claim('n')::int)",
    "select count(*) from t where not exists (select from t u where u.id = t.id + 1 and auth.role() = 'r')",
    "select count(*) from t where id = 1 or exists (select from t u where u.n = t.n and auth.role() = 'r')",
    "select count(*) from t where id = 1 or not exists (select from t u where u.n = t.n and one('') = 'r3')",
    "select exists (select from t u where u.n = t.n and u.body = auth.claim('b')), id from t order by id limit 3",
    "select id from t group by id having id = 1 or exists (select from t u where u.n = t.id and auth.has_permission('a.read')) order by 1",
    "select count(*) from (select exists (select from t u where u.n = t.n and auth.role() = 'r') as e from t union all select true from t) x where e",
    "select count(*) from (select id = 1 or exists (select from checked u where u.id = t.n and one('') = 'r3') as e from t union all select true from t) x where e",
    "select count(*) from t where case when id > 2 then exists (select from (select n from t offset 0) u where u.n = t.n and auth.role() = 'r') end",
    "update t set body = exists (select from t u where u.n = t.n and auth.role() = 'r')::text where id = 1 or exists (select from t u where u.n = t.n and auth.claim('b') = u.body) returning id, body",
    "select count(*) from t where id in (select id from t where auth.has_permission('a.read')) and id not in (select id from t where auth.has_permission('b'))",
    "select count(*) from t where auth.role() in (values (auth.role()), ('y'))",
    "select count(*) from t where body in (values (auth.claim('b')), ('b2'))",
    "select (select auth.role()), (select auth.role() from t limit 1), (select max(auth.role()) from t)",
    "select * from (values (1, auth.role()), (2, auth.claim('n')), (3, auth.role())) v order by 1",
    "select * from (values (1, auth.role()), (2, null)) v (a, b) join t on t.id = a where auth.has_permission('a.read') order by 1",
    "select * from auth.role() r, t where t.id = 1",
    "select * from auth.role() with ordinality r, t where t.id = 1",
    "select count(*) from rows_of(auth.claim('b')) r where auth.role() = 'r'",
    "select count(*) from rows_of(auth.role())",
    "select count(*) from rows_of(one(''))",
    "select count(*) from t, rows_of(t.body) r where auth.role() = 'r'",
    "select count(*) from t, lateral (select auth.claim(t.body) as c, auth.role() as r offset 0) l where l.r = 'r'",
    "select count(*) from t, lateral (select u.id from t u where u.n = t.n and auth.role() = 'r' limit 2) l",
    "select count(*), sum(g) from t, generate_series(1, auth.claim('n')::int) g where auth.has_permission('a.read')",
    "select count(*) from t tablesample bernoulli (auth.claim('n')::int * 0 + 100) repeatable (1)",
    "select count(*) from t, unnest(auth.org_ids_with('a.read')) o where o = org_id",
    "select x.* from t, xmltable('/a' passing xmlparse(content '<a/>') columns r text default auth.role()) x where t.id = 1",
    "select count(*) from json_each(auth.jwt()::json) j, t where t.id = 1",
    "select one('a'), one(auth.role()), twice(auth.role()), twice(one('')) from t where id = 1",
    "select count(*) from t where one('') = 'r3' and twice(auth.claim('n')) = '33'",
    "select case when auth.role() = 'r' then body else auth.claim('n') end from t order by id limit 2",
    "select count(*) from t where coalesce(auth.claim('nothing'), auth.role()) = 'r' or auth.in_org(org_id)",
    "select count(*) from t where auth.claim(auth.role()) is null and auth.claim(case when id > 0 then 'n' end) = '3'",
    "select count(*) from t where not (auth.in_org(org_id) and auth.has_permission('a.read'))",
    "select count(*) from t where (auth.in_org(org_id) and auth.has_permission('b')) or (auth.is_member(org_id) and auth.has_permission('a.read'))",
    "select count(*) from t where auth.in_org(null) or auth.in_org('0a000000-0000-4000-8000-00000000000a')",
    "select count(*), auth.in_org('0b000000-0000-4000-8000-00000000000b') from t where auth.is_member(coalesce(org_id, auth.current_org()))",
    "select auth.in_org(org_id), auth.is_member(org_id), count(*) from t group by 1, 2 order by 1, 2",
    "select auth.in_org(org_id), count(*) from t group by rollup (auth.in_org(org_id)) order by 1, 2",
    "select distinct on (auth.in_org(org_id)) auth.in_org(org_id), id from t order by auth.in_org(org_id), id",
    "select count(*) from (select 'a.read' as p, id from t union all select 'b', id from t) u where auth.has_permission(u.p)",
    "select count(*) from (select 'a.read' as p union all select p from (values ('b')) v (p)) u, t where auth.has_permission(u.p)",
    "select count(*) from (select id, 'a.read' as p from t union all select id, body from t) u where auth.has_permission(u.p) and u.id = 1",
    "select count(*) from (select 'a.read'::text as p from t offset 0) u where auth.has_permission(u.p)",
    "select auth.role() from t where id < 3 union all select auth.claim('n') from t where id < 3 union select 'z' order by 1",
    "select auth.role() from t intersect select 'r' except select auth.claim('n') from t",
    "select count(*) from seen, grouped where seen.r = grouped.r",
    "select r, n, count(*) from seen group by r, n having n = '3'",
    "select t.id, s.r, s.n from t left join (select id, auth.role() as r, coalesce(auth.claim('n'), 'x') as n from t where id > 2) s using (id) where t.id < 5 order by 1",
    "select t.id, s.r from t full join (select id + 50 as id, auth.role() as r from t) s using (id) where auth.role() = 'r' order by 1, 2 limit 5",
    "select count(*) from t a left join t b on a.id = b.id and auth.has_permission('b') where b.id is null",
    "select count(*) from t a join t b on auth.role() = 'r' and a.org_id = b.org_id and auth.in_org(a.org_id)",
    "with recursive r as (select 1 as n, auth.role() as x union all select n + 1, auth.claim('n') from r, t where n < 4 and t.id = n) select * from r order by n",
    "with w as materialized (select auth.role() as r from t limit 2) select count(*), auth.claim('n') from w group by auth.claim('n')",
    "insert into t select 1000 + id, org_id, auth.role(), n from t where auth.in_org(org_id) returning id, body, auth.claim('n')",
    "insert into t values (2000, auth.current_org(), auth.role()), (2001, null, auth.claim('n')) returning *, auth.role()",
    "insert into t values (1, null, 'x') on conflict (id) do update set body = auth.role() || excluded.body where auth.has_permission('a.read') and auth.in_org(t.org_id) is distinct from true returning body, auth.role()",
    "insert into t values (1) on conflict (id) where auth.role() = 'r' do nothing",
    "insert into checked (id) values (1) returning *",
    "insert into checked (id) select id from t where id < 4 returning *",
    "insert into checked values (1, '0b000000-0000-4000-8000-00000000000b')",
    "update t set body = auth.role() || auth.claim('n') where auth.in_org(org_id) and auth.has_permission('a.read') returning id, body, auth.role()",
    "update t set body = auth.role() from (values (1, auth.role()), (2, 'r')) v (a, b) where t.id = a and auth.role() = b returning t.id",
    "update t set (body, n) = (select auth.role() || max(id), auth.claim('n')::int from t u where u.org_id = t.org_id) where id < 4 returning body, n",
    "delete from t using t u where t.id = u.id and auth.role() = 'r' and auth.is_member(t.org_id) returning t.id",
    "merge into t using (select id, auth.role() as r from t) s on t.id = s.id + 55 and auth.role() = 'r'
       when matched and auth.has_permission('a.read') then update set body = auth.claim('n') || s.r
       when not matched and auth.role() = 'r' and s.id < 3 then insert values (3000 + s.id, auth.current_org(), auth.role())",
    "create table partitioned (r text) partition by list (r)",
    "create temp table made as select auth.role() as r, count(*) from t where auth.has_permission('a.read') group by 1",
    "select loops()",
    "do $$ declare n int; begin select count(*) into n from t where auth.has_permission('a.read') and auth.in_org(org_id); if n <> 25 then raise 'it is %', n; end if; end $$",
    "declare c scroll cursor for select id, auth.role() from t where auth.is_member(org_id) order by id; fetch 3 from c; fetch backward 1 from c; close c",
    "prepare p (text, int) as select count(*) from t where auth.has_permission($1) and auth.claim($2::text) is null and auth.in_org(org_id); execute p ('a.read', 5); execute p ('b', 5); deallocate p",
    "select count(*) from t for share of t",
    "select current_setting('is_superuser'), auth.role() from t where auth.claim(current_setting('my.claim', true)) is null limit 1",
    "select count(*) from t where auth.allows_table(tableoid) and auth.allows_table('t'::regclass)",
    "select count(*) from t where auth.jwt() -> 'permissions' ? 'a.read' and auth.identity() ->> 'kind' = 'jwt'",
    "select count(*) from t where auth.signed_in_within('1 hour') is false and auth.aal() is null and auth.amr() is null and auth.session_id() is null",
    "select count(*) from t where auth.require_aal('aal1') and id < 0",
    "select count(*) from t where auth.require_permission('a.read') and auth.require_org(auth.current_org())",
    "select count(*) from t where auth.require_member(auth.current_org()) and auth.current_workspace() is null",
    "explain (costs off, verbose) select auth.in_org(org_id), auth.is_member(org_id) from t where id < 0 and auth.is_member(org_id) is null",
];

/// What a statement gives: its rows, or its error.
fn outcome(session: &mut Client, sql: &str) -> String {
    session.run("savepoint s");
    let result = session.simple_query(sql);
    let outcome = match &result {
        Ok(messages) => messages.iter().map(shown).collect(),
        Err(error) => {
            let error = error.as_db_error().unwrap();
            format!("{} {}", error.code().code(), error.message())
        }
    };
    session.run("rollback to s");
    outcome
}

fn shown(message: &SimpleQueryMessage) -> String {
    match message {
        SimpleQueryMessage::Row(row) => {
            let values: Vec<&str> = (0..row.len()).map(|column| row.get(column).unwrap_or("null")).collect();
            format!("{}\n", values.join("|"))
        }
        SimpleQueryMessage::CommandComplete(count) => format!("({count})\n"),
        _ => String::new(),
    }
}

fn claims() -> serde_json::Value {
    json!({"org_id": ORG_A, "role": "r", "permissions": ["a.read"], "n": 3, "f": 0.5, "b": "b1"})
}

#[test]
fn no_statement_answers_differently_with_and_without_the_support_functions() {
    let (with_support, without) = (Database::new(), Database::new());
    for db in [&with_support, &without] {
        db.superuser().run(SCENE);
    }
    without.superuser().run(
        "set allow_system_table_mods = on; update pg_proc set prosupport = 0 where pronamespace = 'auth'::regnamespace",
    );
    let (mut one, mut other) = (with_support.tenant(), without.tenant());
    for mode in ["auto", "force_generic_plan", "force_custom_plan"] {
        for is_signed_in in [true, false] {
            for session in [&mut one, &mut other] {
                session.run(&format!("set plan_cache_mode = {mode}"));
                match is_signed_in {
                    true => sign_in(session, claims()),
                    false => session.run("begin"),
                }
            }
            let mut failed = 0;
            for sql in STATEMENTS.iter().filter(|sql| !sql.starts_with("explain")) {
                let (with_support, without) = (outcome(&mut one, sql), outcome(&mut other, sql));
                assert_eq!(with_support, without, "{mode}, {is_signed_in}: {sql}");
                assert!(!without.starts_with("XX"), "{sql}: {without}");
                failed += usize::from(
                    is_signed_in
                        && without.starts_with(|c: char| c.is_ascii_digit())
                        && without.get(5..6) == Some(" "),
                );
            }
            assert!(failed < 8, "{failed} statements fail");
            for session in [&mut one, &mut other] {
                session.run("rollback");
            }
        }
    }
}

/// Under policies, as tenants, and through EXPLAIN, which plans and shows everything.
#[test]
fn every_statement_can_be_explained_under_policies() {
    let db = Database::new();
    db.superuser().run(SCENE);
    db.superuser().run(
        "alter table t enable row level security;
         create policy p on t using ((auth.in_org(org_id) or org_id is null) and auth.has_permission('a.read') and auth.allows_table('t'::regclass))
                         with check (auth.has_permission('a.read') and auth.role() = 'r')",
    );
    let mut session = db.tenant();
    sign_in(&mut session, claims());
    for sql in STATEMENTS {
        let outcome = outcome(&mut session, sql);
        assert!(!outcome.starts_with("XX"), "{sql}: {outcome}");
        let explainable = ["select", "with", "insert", "update", "delete", "merge"];
        if explainable.iter().any(|start| sql.starts_with(start)) {
            let outcome = self::outcome(&mut session, &format!("explain (verbose, costs off) {sql}"));
            assert!(!outcome.starts_with("XX"), "{sql}: {outcome}");
        }
    }
}

#[test]
fn expressions_that_are_stored_keep_our_functions() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run(SCENE);
    for (sql, expected) in [
        (
            "select string_agg(pg_get_constraintdef(oid), ' ') from pg_constraint where conrelid = 'checked'::regclass",
            "auth.role",
        ),
        (
            "select string_agg(pg_get_constraintdef(oid), ' ') from pg_constraint where conrelid = 'checked'::regclass",
            "auth.in_org(o)",
        ),
        (
            "select pg_get_expr(polqual, polrelid) from pg_policy where polname = 'own_organization'",
            "auth.in_org(org_id)",
        ),
        ("select pg_get_viewdef('seen')", "auth.has_permission('a.read'::text)"),
    ] {
        let stored = session.value(sql).unwrap();
        assert!(stored.contains(expected), "{sql}: {stored}");
    }
    for (sql, code) in [
        ("create index on t (auth.in_org(org_id))", "42P17"),
        ("create index on t (id) where auth.role() = 'r'", "42P17"),
        ("alter table t add g text generated always as (auth.role()) stored", "42P17"),
    ] {
        assert!(session.refused(sql).starts_with(code), "{sql}");
    }
    session.run("create table p (r text) partition by list (r)");
    session.run("begin");
    session.authenticate(&hs256(&with(claims_a(), claims()))).unwrap();
    session.run(
        "create table p1 partition of p for values in (auth.role()); insert into p values ('r'); commit",
    );
    assert_eq!(session.value("select tableoid::regclass from p").as_deref(), Some("p1"));
}
