//! INSERT, UPDATE, DELETE and MERGE from a number, as for queries.

use super::queries::Generator;
use super::world::Person;
use pg_bearer_tests::database::Session;
use postgres::Client;

/// A statement, and how to tell whether its rows are ones that the person may write.
pub(super) struct Change {
    pub(super) sql: String,
    /// The table that it writes to, and the ids that it may have written.
    table: &'static str,
    insert: bool,
    /// Whose row it proposes to insert, also when the row is there already.
    proposes: Option<&'static str>,
    /// Counts the rows that it matches, and that the person sees and may not change.
    out_of_reach: Option<String>,
}

impl Change {
    /// Before the statement is run: does it match a row that the person sees and may not change? MERGE refuses that, where UPDATE
    /// and DELETE pass over the row.
    pub(super) fn matches_out_of_reach(&self, session: &mut Client) -> bool {
        self.out_of_reach.as_ref().is_some_and(|sql| session.value(sql).as_deref() != Some("0"))
    }

    /// After the statement was run by somebody who may everything: has it written a row that this person may not
    /// write, or see?
    pub(super) fn refused(&self, session: &mut Client, person: &Person) -> bool {
        if self.proposes.is_some_and(|letter| letter != person.one) {
            return true;
        }
        let writable = person.filter(self.table, true);
        let ids = if self.insert { "id >= 5000" } else { "body like '%changed%'" };
        let sql =
            format!("select count(*) from {} where {ids} and not coalesce({writable}, false)", self.table);
        session.value(&sql).as_deref() != Some("0")
    }
}

/// The tables whose policies ask for a column that `truth` follows.
const WRITTEN: [&str; 4] = ["docs", "items", "hashed", "ranged"];

pub(super) fn change(number: u64, person: Option<&Person>) -> Change {
    let mut generator = Generator::new(number ^ 0x5555_5555, person);
    let table = *generator.random.choice(&WRITTEN);
    let target = |person: Option<&Person>, alias: &str| match person {
        None => "true".to_owned(),
        Some(person) => {
            let both = [person.filter(table, false), person.filter(table, true)].join(" and ");
            both.replace("truth", &format!("{alias}.truth"))
        }
    };
    let filter = target(person, "w");
    // Written out, the filter has to come first.
    let leak = format!("case when {filter} then leak('{table}', w.truth) end");
    let (source, name) = generator.table();
    let condition = generator.condition("s", name, 1);
    let letter = *generator.random.choice(&["a", "a", "b", "c"]);
    let org = format!("'0{letter}000000-0000-4000-8000-00000000000{letter}'::uuid");
    let seed = generator.random.below(7);
    let returning = if generator.random.one_in(2) { " returning id, kind, truth" } else { "" };
    let returning_w = if returning.is_empty() { "" } else { " returning w.id, w.kind, w.truth" };
    let rows = format!(
        "select 5000 + row_number() over (order by s.id), {org}, s.kind, s.amount, 'new', '{letter}' from {source} s where {condition}"
    );
    let columns = "(id, org_id, kind, amount, body, truth)";
    let kind = generator.random.below(8);
    // Two of the tables have a primary key; the row is one's own, somebody else's, or new.
    let keyed = if table == "items" { table } else { "docs" };
    let id = generator.random.below(90) + if keyed == "items" { 201 } else { 1 };
    let otherwise =
        *generator.random.choice(&["nothing", "update set body = 'changed', amount = excluded.amount"]);
    let mut out_of_reach = None;
    let sql = match kind {
        0 => format!("insert into {table} {columns} {rows}{returning}"),
        1 => format!("update {table} w set amount = w.amount + 1, body = 'changed' where w.kind = {seed} and {filter}{returning_w}"),
        2 => format!(
            "update {table} w set amount = s.amount, body = 'changed' from (select kind, max(amount) as amount from {source} s where {condition} group by kind) s
              where s.kind = w.kind and {filter} and {leak}{returning_w}"
        ),
        3 => format!(
            "delete from {table} w using {source} s where s.id = w.id and {condition} and {filter} and {leak}{returning_w}"
        ),
        4 => format!("update {table} w set org_id = {org}, truth = '{letter}', body = 'changed' where w.kind = {seed} and {filter}"),
        5 => format!(
            "with gone as (delete from {table} w where w.kind = {seed} and {filter} returning w.*)
             select id, kind, truth from gone"
        ),
        6 => format!(
            "insert into {keyed} {columns} values ({id}, {org}, 1, {seed}, 'new', '{letter}') on conflict (id) do {otherwise}{returning}"
        ),
        _ => {
            // A row that is updated where the filter holds; where there is none, it is new.
            let using = format!("(select kind, max(amount) as amount from {source} s where {condition} group by kind)");
            let on = format!("w.kind = s.kind and w.kind = {seed} and {filter}");
            out_of_reach = person.map(|person| {
                let [seen, changed] =
                    [false, true].map(|change| person.filter(table, change).replace("truth", "w.truth"));
                format!(
                    "select count(*) from {table} w join {using} s on w.kind = s.kind and w.kind = {seed}
                      where {seen} and not coalesce({changed}, false)"
                )
            });
            format!(
                "merge into {table} w using {using} s on {on}
                 when matched and s.amount > 50 then update set amount = s.amount, body = 'changed'
                 when matched then delete
                 when not matched then insert {columns} values (5000 + s.kind, {org}, s.kind, s.amount, 'new', '{letter}')"
            )
        }
    };
    let table = if kind == 6 { keyed } else { table };
    Change {
        sql,
        table,
        insert: kind == 0 || kind == 7,
        proposes: (kind == 6).then_some(letter),
        out_of_reach,
    }
}
