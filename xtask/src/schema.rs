//! The install script, from the metadata that pgrx leaves in the built library.

use std::path::Path;

use object::{Object, ObjectSection};
use pgrx_sql_entity_graph::section::{decode_entities, is_schema_section_name};
use pgrx_sql_entity_graph::{ControlFile, PgrxSql, SqlGraphEntity};

use crate::error::{Context, Error};

/// The SQL that CREATE EXTENSION runs.
///
/// pgrx writes CREATE SCHEMA with IF NOT EXISTS; ours is plain, so that a schema that is there already
/// is an error on every version of Postgres.
pub(crate) fn install_script(library: &Path, control: &str, version: &str) -> Result<String, Error> {
    let bytes = std::fs::read(library).context(|| format!("cannot read {}", library.display()))?;
    script_from(&bytes, control, version)
        .context(|| format!("cannot make the install script from {}", library.display()))
}

fn script_from(library: &[u8], control: &str, version: &str) -> Result<String, Error> {
    let file = object::File::parse(library).context(|| "not a library".into())?;
    let section = file
        .sections()
        .find(|section| section.name().is_ok_and(is_schema_section_name))
        .ok_or_else(|| Error::new("it has no section with SQL metadata"))?;
    let metadata = section.data().context(|| "its SQL metadata cannot be read".into())?;
    let control = ControlFile::from_str_with_cargo_version(control, version)
        .context(|| "the control file is not valid".into())?;
    let mut entities = vec![SqlGraphEntity::ExtensionRoot(control)];
    entities.extend(decode_entities(metadata).context(|| "its SQL metadata is not valid".into())?);
    let graph = PgrxSql::build(entities.into_iter(), "pg_bearer".into(), false)
        .context(|| "its SQL objects cannot be ordered".into())?;
    let script = graph.to_sql().context(|| "its SQL objects cannot be written".into())?;
    Ok(script.replace("CREATE SCHEMA IF NOT EXISTS ", "CREATE SCHEMA "))
}
