//! The numbers in comments on columns, which errors show as hints, against the CHECKs that refuse.

use pg_bearer_tests::Database;
use postgres::Client;

/// Bounds that something else refuses first, with a message of its own.
const NEVER_REACHED: [&str; 1] = [
    // Only members have keys, and auth.memberships.user_id says how long their ids are.
    "api_keys.user_id",
];

/// Columns of lists whose patterns allow no text as long as auth_internal.is_list_of() does.
const SHORT_TEXTS: [&str; 3] = ["api_keys.allowed_cidrs", "endings.grantable", "roles.grantable"];

/// One column with a CHECK of its own.
struct Checked {
    column: String,
    comment: String,
    check: String,
    /// The body of auth_internal.is_list_of() where the CHECK calls it.
    helper: String,
}

fn checked(session: &mut Client) -> Vec<Checked> {
    let sql = "
        select c.relname || '.' || a.attname, col_description(c.oid, a.attnum), pg_get_constraintdef(k.oid),
               case when pg_get_constraintdef(k.oid) like '%is_list_of(%'
                    then (select prosrc from pg_proc where proname = 'is_list_of') else '' end
          from pg_constraint k
          join pg_class c on c.oid = k.conrelid
          join pg_attribute a on a.attrelid = c.oid and array[a.attnum] = k.conkey
         where k.contype = 'c' and c.relnamespace = 'auth'::regnamespace
         order by 1";
    let rows = session.query(sql, &[]).unwrap();
    let found: Vec<_> = rows
        .iter()
        .map(|row| Checked { column: row.get(0), comment: row.get(1), check: row.get(2), helper: row.get(3) })
        .collect();
    assert!(found.len() > 40, "{} columns", found.len());
    found
}

/// The whole numbers of a text, but for those that are part of a name, such as SHA-256, or name a standard.
fn numbers(text: &str) -> Vec<u64> {
    let (first, standards) = text.split_once("RFC ").unwrap_or((text, ""));
    let rest = standards.split("RFC ").map(|part| part.split_once(')').map_or("", |(_, rest)| rest));
    let text = [first.to_owned(), rest.collect()].join(" ").replace(',', "");
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    text.split(|c| !is_part(c)).filter_map(|word| word.parse().ok()).collect()
}

/// The numbers in a CHECK as Postgres prints it; of an interval of hours, minutes and seconds also how many seconds.
fn numbers_checked(check: &str) -> Vec<u64> {
    let digits = check.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok());
    digits.chain(check.split('\'').filter_map(seconds)).collect()
}

/// How many seconds an interval is that is printed as 00:05:00.
fn seconds(literal: &str) -> Option<u64> {
    let [hours, minutes, seconds] = literal.splitn(3, ':').collect::<Vec<_>>().try_into().ok()?;
    let [hours, minutes, seconds] = [hours, minutes, seconds].map(str::parse::<u64>);
    Some(hours.ok()? * 3600 + minutes.ok()? * 60 + seconds.ok()?)
}

/// What a value is compared with: `<= 200`, `>= '00:00:01'::interval`, `<= '1 day'::interval`, and the length of a list.
fn bounds(check: &str) -> Vec<u64> {
    let compared = check.split(['<', '>']).skip(1).filter_map(|rest| {
        let literal = rest.trim_start_matches('=').strip_prefix(' ')?;
        let literal = literal.trim_start_matches('\'');
        let end = literal.find(['\'', ')', ' ']).unwrap_or(literal.len());
        let literal = literal.get(..end)?;
        seconds(literal).or_else(|| literal.parse().ok())
    });
    let most = check.split_once("is_list_of(").and_then(|(_, call)| {
        let call = call.rsplit_once(", ")?.1;
        call.split(')').next()?.parse().ok()
    });
    compared.chain(most).collect()
}

/// What is wrong with the comment.
fn faults(of: &Checked) -> Vec<String> {
    let Checked { column, comment, check, helper } = of;
    let (said, checked) = (numbers(comment), numbers_checked(&format!("{check} {helper}")));
    let unknown = said.iter().filter(|number| !checked.contains(number));
    let mut faults: Vec<_> =
        unknown.map(|number| format!("{column}: the comment says {number}, the check does not")).collect();
    if !NEVER_REACHED.contains(&column.as_str()) {
        let unsaid = bounds(check).into_iter().filter(|bound| !said.contains(bound));
        faults.extend(unsaid.map(|bound| format!("{column}: the check says {bound}, the comment does not")));
    }
    let bytes = bounds(helper).into_iter().max().map(|bytes| format!("{bytes} bytes"));
    if !SHORT_TEXTS.contains(&column.as_str()) && bytes.is_some_and(|bytes| !comment.contains(&bytes)) {
        faults.push(format!("{column}: the comment does not say how long each text may be"));
    }
    faults
}

#[test]
fn comments_on_columns_say_what_their_checks_allow() {
    let db = Database::new();
    let columns = checked(&mut db.superuser());
    let found: Vec<_> = columns.iter().flat_map(faults).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));

    for (column, said, instead) in [
        ("roles.permissions", "200", "1000"),
        ("roles.permissions", "100 bytes", "255 bytes"),
        ("roles.permissions", "At most 200, each", "Each"),
        ("api_keys.allowed_origins", ", each of up to 100 bytes", ""),
        ("api_keys.allowed_tables", "100 bytes", "10 bytes"),
        ("organizations.name", "1 to 200", "up to 200"),
        ("issuers.leeway", "300", "600"),
        ("api_keys.rate_limit", "1 to 1000000", "up to 1000000"),
        ("api_keys.metadata", "16384", "16,000"),
    ] {
        let of = columns.iter().find(|checked| checked.column == column).unwrap();
        let comment = of.comment.replace(said, instead);
        assert_ne!(comment, of.comment, "{column}");
        let planted =
            Checked { column: column.into(), comment, check: of.check.clone(), helper: of.helper.clone() };
        assert!(!faults(&planted).is_empty(), "not noticed: {instead} in {column}");
    }
}

#[test]
fn bounds_are_read_from_checks_as_postgres_prints_them() {
    assert_eq!(bounds("CHECK (((char_length(name) >= 1) AND (char_length(name) <= 200)))"), [1, 200]);
    assert_eq!(
        bounds("CHECK (((leeway >= '00:00:00'::interval) AND (leeway <= '00:05:00'::interval)))"),
        [0, 300]
    );
    assert_eq!(bounds("CHECK ((period <= '1 day'::interval))"), [1]);
    assert_eq!(bounds("CHECK (auth_internal.is_list_of(texts, '[.]'::text, 100))"), [100]);
    assert_eq!(
        bounds("CHECK (((name ~ '^[a-z]{0,61}$'::text) AND (a <@ b) AND ('' <> ALL (c))))"),
        [0_u64; 0]
    );
    assert_eq!(
        numbers("Up to 7 (a) of SHA-256 of 1,000 bytes (RFC 7519 section 4.1.1), HS256, 0 to 9"),
        [7, 1000, 0, 9]
    );
}
