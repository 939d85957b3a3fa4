//! What CREATE OR REPLACE cannot change has to be retired in a step, and what goes elsewhere moved: said by name.

use super::scripts::{release, released, steps};
use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use postgres::Client;

/// A function as callers know it.
#[derive(Clone, PartialEq, Debug)]
struct Function {
    schema: String,
    name: String,
    /// The types and the names of what it takes, as lists.
    types: String,
    names: String,
    defaults: i32,
    /// What it gives, with the names of columns.
    result: String,
}

fn functions(session: &mut Client) -> Vec<Function> {
    let sql = "
        select p.pronamespace::regnamespace::text, p.proname::text, oidvectortypes(p.proargtypes),
               coalesce((select string_agg(coalesce(nullif(n.name, ''), '?'), ', ' order by n.number)
                           from unnest(p.proargnames, p.proargmodes) with ordinality n(name, mode, number)
                          where coalesce(n.mode, 'i') in ('i', 'b', 'v')), ''),
               p.pronargdefaults::integer,
               pg_get_function_result(p.oid)
                   || coalesce((select string_agg(' ' || n.mode::text || ' ' || n.name, ',' order by n.number)
                                  from unnest(p.proargnames, p.proargmodes) with ordinality n(name, mode, number)
                                 where n.mode in ('o', 'b')), '')
          from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname in ('auth', 'auth_internal')";
    let rows = session.query(sql, &[]).unwrap();
    let function = |row: &postgres::Row| Function {
        schema: row.get(0),
        name: row.get(1),
        types: row.get(2),
        names: row.get(3),
        defaults: row.get(4),
        result: row.get(5),
    };
    rows.iter().map(function).collect()
}

/// What CREATE OR REPLACE cannot make of the old function, if anything.
fn difference(old: &Function, new: &Function) -> Option<&'static str> {
    // An argument without a name may get one.
    let renamed = |old: &str, new: &str| old != new && !matches!(old, "" | "?");
    if old.types != new.types {
        Some("takes other arguments: the old form would stay beside it")
    } else if old.names.split(", ").zip(new.names.split(", ")).any(|(old, new)| renamed(old, new)) {
        Some("calls an argument otherwise")
    } else if old.defaults > new.defaults {
        Some("has lost a default")
    } else if old.result != new.result {
        Some("returns something else")
    } else {
        None
    }
}

/// What the steps forget about the functions of a release.
fn faults(old: &[Function], new: &[Function], (steps, file): (&str, &str)) -> Vec<String> {
    let mut faults = Vec::new();
    for function in old {
        let Function { schema, name, types, .. } = function;
        let has = |call: &str| steps.contains(&format!("select auth_internal.{call}"));
        let retired = |schema: &str| has(&format!("retire_function('{schema}.{name}("));
        if retired("auth") || retired("auth_internal") {
            continue;
        }
        let is_moved = has(&format!("move_function('{name}("));
        let place = if is_moved { "auth_internal" } else { schema };
        let (here, elsewhere): (Vec<_>, Vec<_>) =
            new.iter().filter(|found| found.name == *name).partition(|found| found.schema == place);
        let retire = format!("select auth_internal.retire_function('{place}.{name}({types})')");
        let (why, what) = match (here.as_slice(), elsewhere.as_slice()) {
            ([], []) => ("is gone", retire),
            ([], [found, ..]) if found.schema == "auth_internal" => {
                ("is in auth_internal now", format!("select auth_internal.move_function('{name}({types})')"))
            }
            ([], _) => ("is in another schema now", retire),
            (here, _) => match here.iter().map(|found| difference(function, found)).min() {
                Some(Some(why)) => (why, retire),
                _ => continue,
            },
        };
        faults.push(format!("{schema}.{name}({types}) {why}; {file} needs {what};"));
    }
    faults
}

#[test]
fn the_steps_retire_and_move_what_create_or_replace_cannot_change() {
    let db = Database::empty();
    let mut fresh = db.superuser();
    fresh.run("create extension pg_bearer");
    let new = functions(&mut fresh);
    for (version, script) in released() {
        let old = functions(&mut release(&version, &script).superuser());
        assert!(old.len() > 200 && new.len() > 200);
        let (text, file) = steps(&version);
        let found = faults(&old, &new, (&text, &file));
        assert!(found.is_empty(), "from {version}:\n{}", found.join("\n"));
    }
}

#[test]
fn each_change_that_create_or_replace_refuses_is_named() {
    let function = |types: &str, names: &str, defaults, result: &str| Function {
        schema: "auth".into(),
        name: "f".into(),
        types: types.into(),
        names: names.into(),
        defaults,
        result: result.into(),
    };
    let old = function("uuid, text", "a, b", 1, "TABLE(x uuid)");
    let file = "sql/upgrade/1--2.sql";
    let found = |new: &[Function], steps: &str| faults(std::slice::from_ref(&old), new, (steps, file));
    let retire = "select auth_internal.retire_function('auth.f(uuid, text)');";
    for (new, why) in [
        (function("uuid", "a", 1, "TABLE(x uuid)"), "takes other arguments"),
        (function("uuid, text, text", "a, b, c", 2, "TABLE(x uuid)"), "takes other arguments"),
        (function("uuid, text", "a, c", 1, "TABLE(x uuid)"), "calls an argument otherwise"),
        (function("uuid, text", "a, ?", 1, "TABLE(x uuid)"), "calls an argument otherwise"),
        (function("uuid, text", "a, b", 0, "TABLE(x uuid)"), "has lost a default"),
        (function("uuid, text", "a, b", 1, "TABLE(y uuid)"), "returns something else"),
        (function("uuid, text", "a, b", 1, "TABLE(x uuid, y uuid)"), "returns something else"),
    ] {
        let new = [new];
        let message = format!("auth.f(uuid, text) {why}");
        let faults = found(&new, "");
        assert!(faults.len() == 1 && faults[0].starts_with(&message), "{faults:?}");
        assert!(faults[0].ends_with(&format!("; {file} needs {retire}")), "{faults:?}");
        assert_eq!(found(&new, retire), [] as [String; 0]);
        assert_eq!(found(&new, "select auth_internal.retire_function('auth.ff(uuid)');").len(), 1);
    }
    assert!(found(&[], "")[0].contains("is gone"));
    assert_eq!(found(&[], retire), [] as [String; 0]);
    // What may change, and what moves.
    for new in [old.clone(), function("uuid, text", "a, b", 2, "TABLE(x uuid)")] {
        assert_eq!(found(&[new], ""), [] as [String; 0]);
    }
    let unnamed = function("uuid", "?", 0, "uuid");
    assert_eq!(faults(&[unnamed], &[function("uuid", "a", 0, "uuid")], ("", file)), [] as [String; 0]);
    let moved = Function { schema: "auth_internal".into(), ..old.clone() };
    let step = "select auth_internal.move_function('f(uuid, text)');";
    assert_eq!(
        found(std::slice::from_ref(&moved), ""),
        [format!("auth.f(uuid, text) is in auth_internal now; {file} needs {step}")]
    );
    assert_eq!(found(std::slice::from_ref(&moved), step), [] as [String; 0]);
    assert!(
        found(&[Function { defaults: 0, ..moved.clone() }], step)[0].contains("auth_internal.f(uuid, text)")
    );
    assert!(faults(&[moved], std::slice::from_ref(&old), ("", file))[0].contains("is in another schema"));
}
