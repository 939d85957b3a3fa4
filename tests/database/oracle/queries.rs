//! Queries from a number: the same number gives the same query, once against the protected tables and once, for one
//! person, with the filter written out in place of every table.

use super::world::{Person, TABLES};

/// A generator of numbers (splitmix64), so that every round can be repeated.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub(super) fn choice<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }
}

pub(super) struct Generator<'a> {
    pub(super) random: Random,
    /// Whose filter is written out; `None` leaves it to the policies.
    person: Option<&'a Person>,
    names: u32,
}

impl<'a> Generator<'a> {
    pub(super) fn new(seed: u64, person: Option<&'a Person>) -> Generator<'a> {
        Generator { random: Random::new(seed), person, names: 0 }
    }

    /// A name that nothing else in the query has.
    pub(super) fn name(&mut self) -> String {
        self.names += 1;
        format!("t{}", self.names)
    }

    /// A table as it is written in FROM, and its name.
    pub(super) fn table(&mut self) -> (String, &'static str) {
        let (table, _) = *self.random.choice(&TABLES);
        let place = match table {
            "hashed" if self.random.one_in(3) => *self.random.choice(&["hashed_0", "hashed_1"]),
            "ranged" if self.random.one_in(3) => {
                *self.random.choice(&["ranged_low", "ranged_low_1", "ranged_high"])
            }
            _ => table,
        };
        (self.written_out(place), table)
    }

    pub(super) fn written_out(&self, place: &str) -> String {
        match self.person {
            None => place.to_owned(),
            Some(person) => format!("(select * from {place} where {} offset 0)", person.filter(place, false)),
        }
    }

    /// The view over two tables.
    fn board(&self) -> String {
        match self.person {
            None => "board".to_owned(),
            Some(_) => format!(
                "(select d.id, d.kind, d.amount, i.body, d.truth from {} d join {} i on i.kind = d.kind and i.amount > d.amount)",
                self.written_out("docs"),
                self.written_out("items")
            ),
        }
    }

    /// Something to select from, under a name; with the table whose truth its rows have.
    fn source(&mut self, depth: u32) -> (String, String, &'static str) {
        let alias = self.name();
        if self.random.one_in(8) {
            return (format!("{} {alias}", self.board()), alias, "docs");
        }
        if depth > 0 && self.random.one_in(4) {
            let (inner, inner_alias, table) = self.source(depth - 1);
            let condition = self.condition(&inner_alias, table, depth - 1);
            let limit = if self.random.one_in(3) {
                format!(" order by {inner_alias}.id limit 17")
            } else {
                String::new()
            };
            let columns = format!(
                "{inner_alias}.id, {inner_alias}.kind, {inner_alias}.amount, {inner_alias}.body, {inner_alias}.truth"
            );
            let distinct = if limit.is_empty() && self.random.one_in(4) { "distinct " } else { "" };
            return (
                format!("(select {distinct}{columns} from {inner} where {condition}{limit}) {alias}"),
                alias,
                table,
            );
        }
        let (table, name) = self.table();
        (format!("{table} {alias}"), alias, name)
    }

    /// A condition on one source; often with a planted function.
    pub(super) fn condition(&mut self, alias: &str, table: &str, depth: u32) -> String {
        let number = self.random.below(100);
        let simple = match self.random.below(9) {
            0 => format!("{alias}.amount < {number}"),
            1 => format!("{alias}.kind = {}", number % 7),
            2 => format!("{alias}.body like 'body {}%'", number % 10),
            3 => format!("{alias}.kind in (1, 3, {})", number % 7),
            4 => format!("not ({alias}.amount between {} and {number})", number / 2),
            5 => format!("coalesce({alias}.kind, 0) + {alias}.amount > {number}"),
            6 => format!("{alias}.id % 3 <> {}", number % 3),
            7 => format!("1000 / (case when leak('{table}', {alias}.truth) then 1 else 0 end) > 1"),
            _ => "true".to_owned(),
        };
        let leak = format!("leak('{table}', {alias}.truth)");
        let both = match self.random.below(5) {
            0 => format!("{leak} and {simple}"),
            1 => format!("({simple} or {leak})"),
            2 => format!("{simple} and {leak}"),
            3 => format!("case when {leak} then {simple} end"),
            _ => simple,
        };
        if depth == 0 || !self.random.one_in(3) {
            return both;
        }
        let (source, other, other_table) = self.source(depth - 1);
        let inner = self.condition(&other, other_table, depth - 1);
        match self.random.below(5) {
            0 => format!(
                "{both} and exists (select from {source} where {other}.kind = {alias}.kind and {inner})"
            ),
            1 => format!("{both} and {alias}.kind in (select {other}.kind from {source} where {inner})"),
            2 => format!(
                "{both} and not exists (select from {source} where {other}.amount = {alias}.amount and {inner})"
            ),
            3 => format!(
                "{both} and {alias}.amount <= any (array(select {other}.amount from {source} where {inner}))"
            ),
            _ => format!(
                "{both} and {alias}.amount >= (select coalesce(min({other}.amount), 0) from {source} where {inner})"
            ),
        }
    }

    /// FROM and WHERE, with the names of the sources.
    fn body(&mut self, depth: u32) -> (String, Vec<(String, &'static str)>) {
        let (mut from, first, table) = self.source(depth);
        let mut sources = vec![(first.clone(), table)];
        for _ in 0..self.random.below(3) {
            let (source, alias, table) = self.source(depth.saturating_sub(1));
            let column = *self.random.choice(&["kind", "id", "amount"]);
            let join = match self.random.below(6) {
                0 => format!(" left join {source} on {alias}.{column} = {first}.{column}"),
                1 => format!(" right join {source} on {alias}.{column} = {first}.{column}"),
                2 => format!(" full join {source} on {alias}.{column} = {first}.{column}"),
                3 => format!(
                    " cross join lateral (select * from {source} where {alias}.{column} = {first}.{column} limit 3) {alias}"
                ),
                _ => format!(
                    " join {source} on {alias}.{column} = {first}.{column} and {alias}.amount < {first}.amount + 50"
                ),
            };
            // Rows that a limit takes at random are not the same twice.
            let join = if join.contains("limit 3") { join.replace(" limit 3", "") } else { join };
            from.push_str(&join);
            sources.push((alias, table));
        }
        let (alias, table) = self.random.choice(&sources).clone();
        // An outer join makes rows of nothing, which belong to nobody.
        let outer =
            from.contains(" left join") || from.contains(" right join") || from.contains(" full join");
        let condition = if outer {
            format!("{alias}.amount is distinct from 3")
        } else {
            self.condition(&alias, table, depth)
        };
        (format!("from {from} where {condition}"), sources)
    }

    fn select(&mut self, depth: u32) -> String {
        let (body, sources) = self.body(depth);
        let (one, _) = self.random.choice(&sources).clone();
        match self.random.below(7) {
            0 => format!("select {one}.kind, count(*)::int, sum({one}.amount)::int {body} group by {one}.kind"),
            1 => format!("select distinct {one}.kind, {one}.amount, 0 {body}"),
            2 => format!("select {one}.id, {one}.kind, row_number() over (partition by {one}.kind order by {one}.id, {one}.amount)::int {body}")
                .replace("row_number()", "rank()"),
            3 => {
                let (source, other, table) = self.source(0);
                let condition = self.condition(&other, table, 0);
                format!("select {one}.id, {one}.kind, (select count(*)::int from {source} where {other}.kind = {one}.kind and {condition}) {body}")
            }
            4 => format!("select count(*)::int, max({one}.amount), min({one}.id) {body}"),
            5 => format!("select {one}.kind, grouping({one}.kind)::int, count({one}.id)::int {body} group by rollup ({one}.kind)"),
            _ => format!("select {one}.id, {one}.kind, {one}.amount {body}"),
        }
    }

    pub(super) fn query(&mut self) -> String {
        match self.random.below(6) {
            0 => {
                let operation =
                    *self.random.choice(&["union", "union all", "intersect", "except", "except all"]);
                format!("({}) {operation} ({})", self.select(1), self.select(1))
            }
            1 => {
                let kind = *self.random.choice(&["", "materialized ", "not materialized "]);
                let (body, sources) = self.body(1);
                let (one, _) = self.random.choice(&sources).clone();
                let rest = self.select(1);
                format!(
                    "with x as {kind}(select {one}.id, {one}.kind, {one}.amount {body})
                     select q.*, (select count(*)::int from x) from ({rest}) q (a, b, c) where exists (select from x where x.id > 0)"
                )
            }
            2 => {
                let (table, _) = self.table();
                let (other, name) = self.table();
                format!(
                    "with recursive r (id, n) as (select id, 0 from {table} s where kind = 1 union select o.id, r.n + 1 from r
                     join {other} o on o.kind = r.id % 7 where r.n < 2 and leak('{name}', o.truth)) select id, n from r"
                )
            }
            _ => self.select(2),
        }
    }
}
