//! Tables of every kind that auth.protect() protects, and the people who look at them.

use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use postgres::Client;
use serde_json::json;

/// Every table has the same columns for queries. `truth` says whose the row is, in letters that no policy reads.
const SETUP: &str = r#"
do $$
declare
    letter text;
begin
    foreach letter in array '{a,b,c}'::text[] loop
        insert into auth.organizations (id, name, external_id)
        values (format('0%s000000-0000-4000-8000-00000000000%1$s', letter)::uuid, letter, '10' || ascii(letter)),
               (format('1%s000000-0000-4000-8000-00000000000%1$s', letter)::uuid, letter, 'other-' || letter);
        perform auth.add_member(format('0%s000000-0000-4000-8000-00000000000%1$s', letter)::uuid, 'everybody');
    end loop;
    perform auth.add_member('0a000000-0000-4000-8000-00000000000a', 'ann');
    perform auth.add_member('0b000000-0000-4000-8000-00000000000b', 'ann');
    perform auth.add_member('0b000000-0000-4000-8000-00000000000b', 'bob');
end $$;
create function leak(place text, truth text) returns boolean language plpgsql stable parallel safe cost 0.0000001 as $$
begin
    if position(coalesce(truth, '?') in current_setting('oracle.' || place)) = 0 then
        raise 'LEAK of % in %', truth, place;
    end if;
    return true;
end $$;
create function org_of(n int) returns text language sql immutable as $$ select substr('abcab', n % 5 + 1, 1) $$;
create table docs (id int primary key, org_id uuid, kind int, amount int, body text, truth text);
create table items (like docs including all);
create table owned (like docs including all, owner text);
create table sandboxed (like docs including all, environment text);
create table numbered (like docs including all, tenant bigint);
create table named (like docs including all, tenant text);
create table hashed (like docs) partition by hash (org_id);
create table hashed_0 partition of hashed for values with (modulus 2, remainder 0);
create table hashed_1 partition of hashed for values with (modulus 2, remainder 1);
create table ranged (like docs) partition by range (amount);
create table ranged_low partition of ranged for values from (minvalue) to (50) partition by list (kind);
create table ranged_low_0 partition of ranged_low for values in (0, 1, null);
create table ranged_low_1 partition of ranged_low default;
create table ranged_high partition of ranged for values from (50) to (maxvalue);
create index on docs (org_id, amount);
create index on items using hash (org_id);
create index on docs (kind);
insert into docs select n, format('0%s000000-0000-4000-8000-00000000000%1$s', org_of(n))::uuid, n % 7, n * 37 % 101,
                        'body ' || n % 13, org_of(n) from generate_series(1, 60) n;
insert into docs select 1000 + n, null, n, n, 'nobody''s', null from generate_series(1, 5) n;
insert into items select id + 200, org_id, kind, amount * 3 % 100, body, truth from docs where id % 3 <> 0;
insert into owned select d.*, case when id % 2 = 0 then 'ann' when id % 3 = 0 then 'bob' end from docs d;
insert into sandboxed select d.*, case when id % 4 = 0 then 'test' when id % 9 <> 0 then 'live' end from docs d;
insert into numbered select d.*, case when truth is not null then 100 + ascii(truth) - 96 + 96 end from docs d;
update numbered set tenant = ('10' || ascii(truth))::bigint where truth is not null;
insert into named select d.*, ('10' || ascii(truth)) from docs d;
insert into hashed select * from docs where org_id is not null or id % 2 = 0;
insert into ranged select * from docs;
do $$
begin
    perform auth.protect('docs');
    perform auth.protect('items', all_orgs => true);
    perform auth.protect('owned', owner_column => 'owner');
    perform auth.protect('sandboxed', environment_column => 'environment');
    perform auth.protect('numbered', org_column => 'tenant');
    perform auth.protect('named', org_column => 'tenant');
    perform auth.protect('hashed');
    perform auth.protect('ranged');
end $$;
create view board with (security_invoker) as
    select d.id, d.kind, d.amount, i.body, d.truth from docs d join items i on i.kind = d.kind and i.amount > d.amount;
grant select, insert, update, delete on all tables in schema public to tenant;
analyze;
"#;

/// The tables, and the condition that says whose the rows are: `{one}` stands for the current organization's letter,
/// `{all}` for those of all memberships, `{who}` for the user.
pub(super) const TABLES: [(&str, &str); 8] = [
    ("docs", "truth = '{one}'"),
    ("items", "position(truth in '{all}') > 0"),
    ("owned", "truth = '{one}' and owner = '{who}'"),
    ("sandboxed", "truth = '{one}' and environment = 'live'"),
    ("numbered", "truth = '{one}'"),
    ("named", "truth = '{one}'"),
    ("hashed", "truth = '{one}'"),
    ("ranged", "truth = '{one}'"),
];

/// Somebody who looks.
pub(super) struct Person {
    pub(super) name: &'static str,
    /// The letter of the current organization, if there is one.
    pub(super) one: &'static str,
    /// The letters of all memberships.
    all: &'static str,
}

/// Ann acts in A and belongs to B, too; everybody belongs to all three and acts in none.
pub(super) const PEOPLE: &[Person] = &[
    Person { name: "ann", one: "a", all: "ab" },
    Person { name: "bob", one: "b", all: "b" },
    Person { name: "everybody", one: "", all: "abc" },
    Person { name: "", one: "", all: "" },
    Person { name: "ann", one: "a", all: "ab" },
];

impl Person {
    /// The condition for reading a table, or for changing it, without any of our functions.
    pub(super) fn filter(&self, table: &str, change: bool) -> String {
        let (_, condition) = TABLES.iter().find(|(name, _)| table.starts_with(name)).unwrap();
        let condition = if change && table == "items" { "truth = '{one}'" } else { condition };
        let letter = if self.one.is_empty() { "none" } else { self.one };
        condition.replace("{one}", letter).replace("{all}", self.all).replace("{who}", self.name)
    }

    /// Says which rows the planted functions may see.
    pub(super) fn allow(&self, session: &mut Client) {
        for (table, condition) in TABLES {
            let letters = if condition.contains("{all}") { self.all } else { self.one };
            session.run(&format!("set local oracle.{table} = '{letters}'"));
        }
    }

    /// Signs in.
    pub(super) fn enter(&self, session: &mut Client) {
        self.allow(session);
        if !self.name.is_empty() {
            let org =
                (!self.one.is_empty()).then(|| format!("0{}000000-0000-4000-8000-00000000000{0}", self.one));
            let claims = json!({"iss": STRICT_ISSUER, "sub": self.name, "org_id": org, "iat": now(), "exp": now() + 600});
            session.authenticate(&hs256(&claims)).unwrap();
            assert_eq!(session.value("select auth.current_org()"), org);
        }
    }
}

pub(super) struct World {
    pub(super) db: Database,
}

impl World {
    pub(super) fn new() -> World {
        let db = Database::new();
        let mut session = db.superuser();
        session.run("drop table docs");
        session.run(SETUP);
        World { db }
    }

    /// Every row of every table.
    pub(super) fn contents(&self, session: &mut Client) -> Vec<String> {
        TABLES
            .iter()
            .map(|(table, _)| {
                let sql = format!("select string_agg(t::text, E'\\n' order by t.id, t::text) from {table} t");
                format!("{table}: {}", session.value(&sql).unwrap_or_default())
            })
            .collect()
    }
}
