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

#[cfg(test)]
mod tests {
    use super::covers;
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
