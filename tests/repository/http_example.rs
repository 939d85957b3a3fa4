//! What the files of `examples/postgrest` must say.

use crate::hold;
use crate::sources::{File, read};

/// The blocks of nginx's language in a file, each with the lines that are in it and in no block within.
fn blocks(text: &str) -> Vec<(String, Vec<String>)> {
    let mut open: Vec<(String, Vec<String>)> = Vec::new();
    let mut closed = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        if let Some(head) = line.strip_suffix('{') {
            open.push((head.trim().to_owned(), Vec::new()));
        } else if line == "}" {
            closed.extend(open.pop());
        } else if let Some((_, lines)) = open.last_mut() {
            lines.push(line.to_owned());
        }
    }
    closed
}

/// One `proxy_set_header` of a location drops all that it would inherit.
#[test]
fn t167_every_location_with_a_proxy_pass_includes_all_headers() {
    let rule: fn(&File) -> Vec<String> = |file| {
        if !file.is_in("examples/postgrest") || !file.has_extension("conf") {
            return Vec::new();
        }
        let mut faults = Vec::new();
        for (head, lines) in blocks(&file.text) {
            let has = |beginning: &str| lines.iter().any(|line| line.starts_with(beginning));
            let included = has("include bearer_location.conf;");
            if has("proxy_pass") && !(included && head.starts_with("location")) {
                faults.push(format!("{head}: proxy_pass without bearer_location.conf"));
            }
            if has("proxy_set_header") || head.starts_with("location") && has("add_header") {
                faults.push(format!("{head}: a header of its own"));
            }
        }
        faults
    };
    let path = "examples/postgrest/nginx.conf";
    hold(
        rule,
        &[
            (path, "location /x {\n    proxy_pass http://postgrest;\n}"),
            (path, "location /x {\n    # include bearer_location.conf;\n    proxy_pass http://postgrest;\n}"),
            (path, "location /x {\n    include bearer_location.conf;\n    proxy_set_header X a;\n}"),
            (
                path,
                "server {\n    include bearer_location.conf;\n    location / {\n        proxy_pass http://a;\n    }\n}",
            ),
        ],
    );
    let locations = blocks(&read(path)).iter().filter(|(head, _)| head.starts_with("location")).count();
    assert!(locations >= 2, "{locations} locations");
}

#[test]
fn the_page_and_the_example_have_the_same_sql() {
    let (page, script) = (read("docs/postgrest.md"), read("examples/postgrest/setup.sql"));
    let blocks: String =
        page.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect();
    assert!(!blocks.is_empty());
    let (_, sql) = script.split_once("\n\n").unwrap();
    assert_eq!(sql, blocks);
}
