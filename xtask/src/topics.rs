//! Which functions of schema auth belong to which topic: a function of SQL, made from the folders that their comments
//! are in and from sql/topics.txt.

use crate::error::Error;

/// Before the name of each function that people call.
const COMMENT: &str = "\ncomment on function auth.";

/// How the comment on a function begins that people do not call.
const INTERNAL: &str = "'Internal:";

/// The function auth_internal.topics(), for these lines of sql/topics.txt and these folders, each with its SQL.
pub(crate) fn function(lines: &str, folders: &[(String, String)]) -> Result<String, Error> {
    let mut rows = Vec::new();
    let mut placed = Vec::new();
    for line in lines.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (topic, title) = line.split_once(": ").ok_or_else(|| {
            Error::new(format!("sql/topics.txt has a line without a topic and a title: {line}"))
        })?;
        let folder = folders.iter().find(|(name, sql)| name == topic && !functions(sql).is_empty());
        let (_, sql) = folder.filter(|_| !placed.contains(&topic)).ok_or_else(|| {
            Error::new(format!("sql/topics.txt has a topic twice, or one without functions: {topic}"))
        })?;
        placed.push(topic);
        rows.push(row(placed.len(), topic, title, &functions(sql)));
    }
    for (folder, sql) in folders {
        if !functions(sql).is_empty() && !placed.contains(&folder.as_str()) {
            return Err(Error::new(format!(
                "sql/topics.txt has no line \"{folder}: <what it is for>\", but sql/functions/{folder}/ has functions of schema auth"
            )));
        }
    }
    Ok(format!(
        "
-- Made from sql/topics.txt and the folders in sql/functions/.
create or replace function auth_internal.topics() returns table (place integer, topic text, title text, functions text[])
    language sql immutable set search_path = pg_catalog, pg_temp as $$
    values
        {}
$$;
comment on function auth_internal.topics is 'The topics of auth.help(), and the functions of each, in the order in which they are shown.';
",
        rows.join(",\n        ")
    ))
}

/// The functions of schema auth that people call, in the order of their comments.
fn functions(sql: &str) -> Vec<&str> {
    let comments = sql.split(COMMENT).skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_')?;
        let (name, comment) = rest.split_at(end);
        let text = comment.get(comment.find('\'')?..)?;
        (!text.starts_with(INTERNAL)).then_some(name)
    });
    comments.collect()
}

fn row(place: usize, topic: &str, title: &str, functions: &[&str]) -> String {
    let quoted: Vec<_> = functions.iter().map(|name| format!("'{name}'")).collect();
    format!("({place}, '{topic}', '{}', array[{}])", title.replace('\'', "''"), quoted.join(", "))
}
