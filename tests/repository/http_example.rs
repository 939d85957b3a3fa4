//! What the files of `examples/postgrest` and `examples/page` must say, and the rules for paths in `tests/scenarios`.

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

/// The header that a line sets in a request that is passed on.
fn set_header(line: &str) -> Option<String> {
    line.strip_prefix("proxy_set_header ")?.split_whitespace().next().map(str::to_lowercase)
}

/// What bearer_location.conf sets.
fn set_headers() -> Vec<String> {
    let text = read("examples/postgrest/bearer_location.conf");
    let headers: Vec<_> = text.lines().filter_map(set_header).collect();
    assert!(headers.contains(&"x-credential".into()), "{headers:?}");
    headers
}

/// Files that have all headers; the second one includes the first.
const INCLUDING: [&str; 2] = ["bearer_location.conf", "supabase_location.conf"];

/// One `proxy_set_header` of a location drops all that it would inherit.
#[test]
fn t167_every_location_with_a_proxy_pass_includes_all_headers() {
    let rule: fn(&File) -> Vec<String> = |file| {
        let ours =
            ["examples/postgrest", "examples/page", "tests/scenarios"].iter().any(|place| file.is_in(place));
        if !ours || !file.has_extension("conf") {
            return Vec::new();
        }
        let set = set_headers();
        let mut faults = Vec::new();
        for (head, lines) in blocks(&file.text) {
            let has = |beginning: &str| lines.iter().any(|line| line.starts_with(beginning));
            let included = INCLUDING.iter().any(|name| has(&format!("include {name};")));
            if has("proxy_pass") && !(included && head.starts_with("location")) {
                faults.push(format!("{head}: proxy_pass without bearer_location.conf"));
            }
            let again = lines.iter().filter_map(|line| set_header(line)).any(|name| set.contains(&name));
            let answers = has("include bearer_answer.conf;") && !has("proxy_pass");
            if again || head.starts_with("location") && has("add_header") && !answers {
                faults.push(format!("{head}: a header of bearer_location.conf once more"));
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
            (
                path,
                "location /x {\n    include bearer_location.conf;\n    proxy_set_header x-credential a;\n}",
            ),
            (path, "location /x {\n    include bearer_location.conf;\n    add_header X a;\n}"),
            (path, "location /x {\n    include supabase_location.conf;\n    add_header X a;\n}"),
            (path, "location /x {\n    add_header X a;\n}"),
            ("tests/scenarios/x/locations.conf", "location /x {\n    proxy_pass http://postgrest;\n}"),
            ("examples/page/locations_page.conf", "location /x {\n    add_header X a;\n}"),
            (
                path,
                "server {\n    include bearer_location.conf;\n    location / {\n        proxy_pass http://a;\n    }\n}",
            ),
        ],
    );
    assert!(read("examples/postgrest/supabase_location.conf").contains("\ninclude bearer_location.conf;\n"));
    let locations = blocks(&read(path)).iter().filter(|(head, _)| head.starts_with("location")).count();
    assert!(locations >= 2, "{locations} locations");
}

/// The variables that a file of nginx's defines: by maps, zones, `set` and named groups.
fn variables(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("map") => {
                found.extend(words.filter_map(|word| word.strip_prefix('$')).nth(1).map(str::to_owned))
            }
            Some("set") => {
                found.extend(words.next().and_then(|word| word.strip_prefix('$')).map(str::to_owned))
            }
            _ => {}
        }
        found.extend(groups(line));
    }
    found
}

/// The named groups of patterns.
fn groups(text: &str) -> Vec<String> {
    let groups = text.split("(?<").skip(1).filter_map(|rest| rest.split_once('>'));
    groups.map(|(name, _)| name.to_owned()).collect()
}

/// nginx has one variable of each name: a group of a path would be what was sent as a key.
#[test]
fn t606_no_rule_for_a_path_sets_a_variable_of_the_proxys() {
    let rule: fn(&File) -> Vec<String> = |file| {
        let is_ours = ["tests/scenarios", "examples/page"].iter().any(|place| file.is_in(place))
            || file.path.starts_with("examples/postgrest/locations");
        if !is_ours || !file.has_extension("conf") {
            return Vec::new();
        }
        let taken = variables(&read("examples/postgrest/bearer.conf"));
        // These are to be set, by what the rule says and not by what a path has.
        let preset = variables(&read("examples/postgrest/bearer_server.conf"));
        let captured = groups(&file.text).into_iter().filter(|name| preset.contains(name));
        variables(&file.text).into_iter().filter(|name| taken.contains(name)).chain(captured).collect()
    };
    let path = "tests/scenarios/x/locations.conf";
    hold(
        rule,
        &[
            (path, "location ~ ^/x/(?<sent_key>[a-z]+)$ {\n}"),
            (path, "location /x {\n    set $credential x;\n}"),
            (path, "map $uri $postgrest_authorization {\n}"),
            (path, "location ~ ^/(?<accept_profile>[a-z_]+)/x$ {\n}"),
            ("examples/postgrest/locations_x.conf", "location ~ ^/x/(?<sent_key>[a-z]+)$ {\n}"),
            ("examples/page/locations_x.conf", "location ~ ^/x/(?<sent_key>[a-z]+)$ {\n}"),
        ],
    );
    let taken = variables(&read("examples/postgrest/bearer.conf"));
    assert!(taken.iter().any(|name| name == "query_token") && taken.len() > 10, "{taken:?}");
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
