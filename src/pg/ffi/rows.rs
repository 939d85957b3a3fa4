//! Reading a row of somebody's table for an administrator, past planner and executor: neither a policy nor any
//! other code of the table's owner runs.

use super::scan::Latest;
use super::version::is_virtual;
use pgrx::memcxt::PgMemoryContexts;
use pgrx::pg_sys;
use std::ffi::{CStr, CString};

const LOCK: pg_sys::LOCKMODE = pg_sys::AccessShareLock as pg_sys::LOCKMODE;
/// Types below come with Postgres.
const FIRST_OF_OTHERS: u32 = pg_sys::FirstNormalObjectId;
const ROW_SECURITY_APPLIES: i32 = pg_sys::CheckEnableRlsResult::RLS_ENABLED as i32;

/// Whether the outer user may read every row of a table, whatever its policies say.
pub(in crate::pg) fn outer_user_reads_all(table: pg_sys::Oid) -> bool {
    // SAFETY: catalog look-ups in a transaction.
    unsafe {
        let user = pg_sys::GetOuterUserId();
        let granted = pg_sys::pg_class_aclcheck(table, user, pg_sys::ACL_SELECT as pg_sys::AclMode);
        granted == pg_sys::AclResult::ACLCHECK_OK
            && pg_sys::check_enable_rls(table, user, true) != ROW_SECURITY_APPLIES
    }
}

/// A column has to hold this; `None` is NULL.
pub(in crate::pg) struct Wanted {
    pub(in crate::pg) column: CString,
    pub(in crate::pg) text: Option<CString>,
}

/// Why rows cannot be looked for.
pub(in crate::pg) enum Unfit {
    NoSuchColumn,
    /// To read a value of this column's type could run a function of somebody's.
    Type,
}

/// A row as JSON, whose values are texts that the types of the columns read.
pub(in crate::pg) type RowJson = String;

/// Gives `each` every row in which the wanted values stand, with the value of the column `by` if it is given,
/// until it answers false.
pub(in crate::pg) fn rows(
    tables: &[pg_sys::Oid],
    wanted: &[Wanted],
    by: Option<&CStr>,
    mut each: impl FnMut(Option<String>, &dyn Fn() -> RowJson) -> bool,
) -> Result<(), Unfit> {
    // SAFETY: each relation stays open and locked while it is read, and each row is used before the next one is
    // fetched. What is allocated for a row goes with it.
    unsafe {
        for table in tables {
            let relation = pg_sys::try_relation_open(*table, LOCK);
            if relation.is_null() {
                continue;
            }
            if (*(*relation).rd_rel).relkind as u8 != pg_sys::RELKIND_RELATION {
                pg_sys::relation_close(relation, LOCK);
                continue;
            }
            let columns =
                wanted.iter().map(|wanted| Sought::of(*table, wanted)).collect::<Result<Vec<_>, _>>()?;
            let by = by.map(|name| number(*table, name)).transpose()?;
            let shape = (*relation).rd_att;
            let latest = Latest::new();
            let snapshot = latest.snapshot();
            let nothing = std::ptr::null_mut();
            let scan = pg_sys::systable_beginscan(relation, pg_sys::InvalidOid, false, snapshot, 0, nothing);
            let mut memory = PgMemoryContexts::new("row of an application's table");
            let mut more = true;
            while more {
                pgrx::check_for_interrupts!();
                let tuple = pg_sys::systable_getnext(scan);
                if tuple.is_null() {
                    break;
                }
                more = memory.switch_to(|_| {
                    let fits = |sought: &Sought| value(tuple, shape, sought.number) == sought.text;
                    if !columns.iter().all(fits) {
                        return true;
                    }
                    let group = by.and_then(|number| value(tuple, shape, number));
                    let group = group.map(|text| text.to_string_lossy().into_owned());
                    each(group, &|| json(tuple, shape, *table))
                });
                memory.reset();
            }
            pg_sys::systable_endscan(scan);
            pg_sys::relation_close(relation, LOCK);
            if !more {
                break;
            }
        }
    }
    Ok(())
}

/// A column by its number, and the text that its value has when it is the wanted one.
struct Sought {
    number: i32,
    text: Option<CString>,
}

impl Sought {
    unsafe fn of(table: pg_sys::Oid, wanted: &Wanted) -> Result<Sought, Unfit> {
        // SAFETY: catalog look-ups. The input function of a type of Postgres's own, of an enum or of one that a
        // superuser made is called with a text, as SQL would.
        unsafe {
            let number = number(table, &wanted.column)?;
            let Some(text) = &wanted.text else { return Ok(Sought { number, text: None }) };
            let (mut kind, mut modifier, mut collation) = (pg_sys::InvalidOid, 0, pg_sys::InvalidOid);
            let short = i16::try_from(number).unwrap_or(0);
            pg_sys::get_atttypetypmodcoll(table, short, &mut kind, &mut modifier, &mut collation);
            let base = pg_sys::getBaseTypeAndTypmod(kind, &mut modifier);
            if !runs_nobodys_code(base) {
                return Err(Unfit::Type);
            }
            let (mut input, mut parameter) = (pg_sys::InvalidOid, pg_sys::InvalidOid);
            pg_sys::getTypeInputInfo(base, &mut input, &mut parameter);
            let (mut output, mut varlena) = (pg_sys::InvalidOid, false);
            pg_sys::getTypeOutputInfo(base, &mut output, &mut varlena);
            let value = pg_sys::OidInputFunctionCall(input, text.as_ptr().cast_mut(), parameter, modifier);
            let text = CStr::from_ptr(pg_sys::OidOutputFunctionCall(output, value)).to_owned();
            Ok(Sought { number, text: Some(text) })
        }
    }
}

/// Input of composite types, ranges and arrays of others can reach a domain's CHECK.
unsafe fn runs_nobodys_code(kind: pg_sys::Oid) -> bool {
    // SAFETY: catalog look-ups.
    unsafe {
        let plain = [pg_sys::TYPTYPE_BASE, pg_sys::TYPTYPE_ENUM];
        plain.contains(&(pg_sys::get_typtype(kind) as u8))
            && (u32::from(kind) < FIRST_OF_OTHERS || pg_sys::get_element_type(kind) == pg_sys::InvalidOid)
    }
}

unsafe fn number(table: pg_sys::Oid, name: &CStr) -> Result<i32, Unfit> {
    // SAFETY: catalog look-ups; a column that was dropped has no number, a virtual one is in no row.
    unsafe {
        let number = pg_sys::get_attnum(table, name.as_ptr());
        if number <= 0 || is_virtual(table, number) {
            return Err(Unfit::NoSuchColumn);
        }
        Ok(i32::from(number))
    }
}

/// A value as its type writes it; `None` for NULL. Such functions are Postgres's or a superuser's.
unsafe fn value(tuple: pg_sys::HeapTuple, shape: pg_sys::TupleDesc, number: i32) -> Option<CString> {
    // SAFETY: the column is one of the tuple's.
    unsafe {
        let text = pg_sys::SPI_getvalue(tuple, shape, number);
        (!text.is_null()).then(|| CStr::from_ptr(text).to_owned())
    }
}

unsafe fn json(tuple: pg_sys::HeapTuple, shape: pg_sys::TupleDesc, table: pg_sys::Oid) -> RowJson {
    let mut row = String::new();
    // SAFETY: the columns are those of the tuple's shape; a dropped one has no type.
    unsafe {
        for number in 1..=(*shape).natts {
            let kind = pg_sys::SPI_gettypeid(shape, number);
            let short = i16::try_from(number).unwrap_or(0);
            if kind == pg_sys::InvalidOid || is_virtual(table, short) {
                continue;
            }
            let name = CStr::from_ptr(pg_sys::SPI_fname(shape, number)).to_string_lossy().into_owned();
            let text = value(tuple, shape, number).map(|text| text.to_string_lossy().into_owned());
            let is_json = [pg_sys::JSONOID, pg_sys::JSONBOID].contains(&pg_sys::getBaseType(kind));
            // A text would become a JSON string in such a column.
            let text = if is_json { text } else { text.map(|text| quoted(&text)) };
            row.push(if row.is_empty() { '{' } else { ',' });
            row.push_str(&quoted(&name));
            row.push(':');
            row.push_str(text.as_deref().unwrap_or("null"));
        }
    }
    row.push_str(if row.is_empty() { "{}" } else { "}" });
    row
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}
