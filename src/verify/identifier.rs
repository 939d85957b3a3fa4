//! Names as `quote_ident()` writes them.

/// The identifier that a text begins with, and what follows it.
pub(crate) fn identifier(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(['.', ',']).unwrap_or(text.len());
        let (name, rest) = text.split_at_checked(end)?;
        return Some((name.to_owned(), rest));
    };
    let mut name = String::new();
    let mut rest = quoted;
    loop {
        let (part, after) = rest.split_once('"')?;
        name.push_str(part);
        match after.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None => return Some((name, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::identifier;

    #[test]
    fn names_are_read_as_format_writes_them() {
        for (text, name, rest) in [
            ("public.docs", "public", ".docs"),
            ("docs", "docs", ""),
            ("\"a.b\".c", "a.b", ".c"),
            ("\"a\"\"b\"", "a\"b", ""),
            ("\"\"\"\".x", "\"", ".x"),
            ("\"api\", \"public\"", "api", ", \"public\""),
            ("api,public", "api", ",public"),
        ] {
            assert_eq!(identifier(text), Some((name.to_owned(), rest)), "{text}");
        }
        assert_eq!(identifier("\"a"), None);
    }
}
