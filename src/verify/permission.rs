//! Does a list of granted permissions cover the one that is asked for?

/// True when one of `granted` covers `wanted`.
///
/// Permissions are dotted names. A grant covers the same name; `invoices.*` covers every name below
/// `invoices.` at any depth, but not `invoices` itself; `*` covers everything. A wildcard means
/// something only as the whole grant or as its last part, and only in a grant: asking for `invoices.*`
/// is answered by `invoices.*`, `*` or the literal name, never by `invoices.read`. Empty names match
/// nothing.
pub(crate) fn covers<'a>(granted: impl IntoIterator<Item = &'a str>, wanted: &str) -> bool {
    !wanted.is_empty() && granted.into_iter().any(|grant| grant_covers(grant, wanted))
}

fn grant_covers(grant: &str, wanted: &str) -> bool {
    if grant == "*" || grant == wanted {
        return true;
    }
    match grant.strip_suffix(".*") {
        Some(prefix) => wanted
            .strip_prefix(prefix)
            .and_then(|rest| rest.strip_prefix('.'))
            .is_some_and(|rest| !rest.is_empty() && !prefix.is_empty()),
        None => false,
    }
}

/// The permissions that both lists cover: sorted, and none that another of them covers.
///
/// Of two grants that cover something in common, one always covers the other.
pub(crate) fn intersection(granted: &[String], held: &[String]) -> Vec<String> {
    let within = |these: &[String], those: &[String]| -> Vec<String> {
        let those: Vec<&str> = those.iter().map(String::as_str).collect();
        these.iter().filter(|grant| covers(those.iter().copied(), grant)).cloned().collect()
    };
    let mut common = within(granted, held);
    common.append(&mut within(held, granted));
    common.sort_unstable();
    common.dedup();
    let wildcards: Vec<String> = common.iter().filter(|grant| grant.ends_with('*')).cloned().collect();
    common
        .retain(|grant| !wildcards.iter().any(|wildcard| wildcard != grant && grant_covers(wildcard, grant)));
    common
}

#[cfg(test)]
mod tests {
    use super::{covers, intersection};
    use proptest::prelude::*;

    #[test]
    fn grants_cover_themselves_their_subtree_and_nothing_else() {
        let cases = [
            ("invoices.read", "invoices.read", true),
            ("invoices.read", "invoices.write", false),
            ("invoices.read", "invoices.read.all", false),
            ("invoices.*", "invoices.read", true),
            ("invoices.*", "invoices.lines.read", true),
            ("invoices.*", "invoices", false),
            ("invoices.*", "invoices.", false),
            ("invoices.*", "invoicesx.read", false),
            ("invoices*", "invoices.read", false),
            ("*.read", "invoices.read", false),
            (".*", ".read", false),
            ("*", "anything.at.all", true),
            ("*", "", false),
            ("", "", false),
            ("invoices.read", "invoices.*", false),
            ("Invoices.read", "invoices.read", false),
        ];
        for (grant, wanted, expected) in cases {
            assert_eq!(covers([grant], wanted), expected, "{grant:?} for {wanted:?}");
        }
        assert!(!covers([], "a"));
    }

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn intersections_keep_the_narrower_grant() {
        let cases: [(&[&str], &[&str], &[&str]); 10] = [
            (&["*"], &["b", "a"], &["a", "b"]),
            (&["*"], &["*"], &["*"]),
            (&["*", "a.*", "a.b"], &["*"], &["*"]),
            (&["a.*"], &["a.b.*", "a.b.c", "a.d", "a", "b"], &["a.b.*", "a.d"]),
            (&["a.b", "c"], &["a.*"], &["a.b"]),
            (&["a.read"], &["a.write"], &[]),
            (&["a.*"], &["ab.c", "a"], &[]),
            (&[], &["*"], &[]),
            (&["", "a", "a"], &["", "*", "a"], &["a"]),
            (&["*.read"], &["a.read", "b.read"], &[]),
        ];
        for (granted, held, expected) in cases {
            assert_eq!(intersection(&list(granted), &list(held)), expected, "{granted:?} and {held:?}");
            assert_eq!(intersection(&list(held), &list(granted)), expected, "{held:?} and {granted:?}");
        }
    }

    /// Few letters, so that names meet; odd ones too.
    fn grants() -> impl Strategy<Value = Vec<String>> {
        let name =
            prop_oneof!["[ab](\\.[ab]){0,3}", "[ab](\\.[ab]){0,2}\\.\\*", Just("*".to_owned()), "[a.*]{0,5}"];
        proptest::collection::vec(name, 0..6)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn an_intersection_covers_what_both_cover(
            a in grants(), b in grants(), wanted in prop_oneof!["[ab](\\.[ab]){0,4}", "[a.*]{0,6}"],
        ) {
            let of = |list: &[String]| covers(list.iter().map(String::as_str), &wanted);
            let common = intersection(&a, &b);
            prop_assert_eq!(of(&common), of(&a) && of(&b));
            prop_assert_eq!(&common, &intersection(&b, &a));
        }

        #[test]
        fn an_intersection_is_sorted_and_says_nothing_twice(a in grants(), b in grants()) {
            let common = intersection(&a, &b);
            prop_assert!(common.is_sorted());
            for (place, name) in common.iter().enumerate() {
                let others = common.iter().enumerate().filter(|(other, _)| *other != place);
                prop_assert!(!covers(others.map(|(_, other)| other.as_str()), name), "{:?}", common);
            }
        }
    }

    proptest! {
        #[test]
        fn a_prefix_covers_exactly_what_starts_with_it(prefix in "[a-z]{1,6}(\\.[a-z]{1,6}){0,2}", wanted in "[a-z.]{1,24}") {
            let below = wanted.starts_with(&format!("{prefix}.")) && wanted.len() > prefix.len() + 1;
            let wildcard = format!("{prefix}.*");
            prop_assert_eq!(covers([wildcard.as_str()], &wanted), below);
            prop_assert_eq!(covers([prefix.as_str()], &wanted), prefix == wanted);
        }

        #[test]
        fn more_grants_never_take_away(a in "[a-z.*]{0,12}", b in "[a-z.*]{0,12}", wanted in "[a-z.*]{0,12}") {
            let either = covers([a.as_str()], &wanted) || covers([b.as_str()], &wanted);
            prop_assert_eq!(covers([a.as_str(), b.as_str()], &wanted), either);
        }
    }
}
