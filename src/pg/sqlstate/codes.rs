//! What the code of an error of anybody's says.

use pgrx::prelude::*;

/// Is this, as Postgres keeps it, the code of a function that does not exist?
pub(in crate::pg) fn is_undefined_function(code: i32) -> bool {
    code == PgSqlErrorCode::ERRCODE_UNDEFINED_FUNCTION as i32
}

/// Is this, as Postgres keeps it, the code of an error about memory that there is none of?
pub(in crate::pg) fn is_out_of_memory(code: i32) -> bool {
    code == PgSqlErrorCode::ERRCODE_OUT_OF_MEMORY as i32
}

/// Is this, as Postgres keeps it, the code of an error whose message may quote a value: bad data, or a bad name?
pub(in crate::pg) fn quotes_a_value(code: i32) -> bool {
    // The class is in the first two of five characters, of six bits each.
    let class = code & 0xFFF;
    class == PgSqlErrorCode::ERRCODE_DATA_EXCEPTION as i32
        || class == PgSqlErrorCode::ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION as i32
}

/// Is it of an error whose detail shows lines of an XML document?
pub(in crate::pg) fn shows_a_document(code: i32) -> bool {
    [
        PgSqlErrorCode::ERRCODE_INVALID_XML_DOCUMENT,
        PgSqlErrorCode::ERRCODE_INVALID_XML_CONTENT,
        PgSqlErrorCode::ERRCODE_INVALID_XML_COMMENT,
        PgSqlErrorCode::ERRCODE_INVALID_XML_PROCESSING_INSTRUCTION,
    ]
    .into_iter()
    .any(|showing| code == showing as i32)
}

/// Is it of an error whose detail shows a row?
pub(in crate::pg) fn shows_a_row(code: i32) -> bool {
    code == PgSqlErrorCode::ERRCODE_NOT_NULL_VIOLATION as i32
        || code == PgSqlErrorCode::ERRCODE_CHECK_VIOLATION as i32
}

/// Is this the error of somebody who wants the command or the session to end, rather than of what it does?
pub(in crate::pg) fn asks_to_stop(code: PgSqlErrorCode) -> bool {
    matches!(
        code,
        PgSqlErrorCode::ERRCODE_QUERY_CANCELED
            | PgSqlErrorCode::ERRCODE_ADMIN_SHUTDOWN
            | PgSqlErrorCode::ERRCODE_CRASH_SHUTDOWN
    )
}
