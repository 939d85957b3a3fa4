//! The scripts of the extension, made from one source: the files in sql/, and the functions that pgrx describes in
//! the built library.

use std::fs;
use std::path::{Path, PathBuf};

use object::{Object, ObjectSection};
use pgrx_sql_entity_graph::section::{decode_entities, is_schema_section_name};
use pgrx_sql_entity_graph::{ControlFile, PgrxSql, SqlGraphEntity};

use crate::error::{Context, Error};
use crate::{project, topics};

/// Before the steps of an update comes what they need, before its functions this line.
const FUNCTIONS: &str = "-- Every function, as it is in this version.\n";
/// Functions in this folder come before the tables, whose constraints call them.
const CHECKS: &str = "checks";

/// The scripts of one version.
pub(crate) struct Scripts {
    /// What CREATE EXTENSION runs.
    pub(crate) install: String,
    /// What ALTER EXTENSION UPDATE runs, each with the released version that it starts from.
    pub(crate) updates: Vec<(String, String)>,
}

/// What the scripts are made of.
struct Source {
    begin: String,
    checks: String,
    tables: String,
    functions: String,
    views: String,
    grants: String,
    before_update: String,
    after_update: String,
    /// `sql/upgrade/a--b.sql`: a, b, and the text.
    steps: Vec<(String, String, String)>,
}

/// The scripts of this version, for a library that was built from this tree.
pub(crate) fn scripts(library: &Path, control: &str, version: &str) -> Result<Scripts, Error> {
    let bytes = fs::read(library).context(|| format!("cannot read {}", library.display()))?;
    let compiled = compiled_functions(&bytes, control, version)
        .context(|| format!("cannot read the functions in {}", library.display()))?;
    Source::read(&project::root().join("sql"), &compiled)?.scripts(version)
}

impl Source {
    fn read(dir: &Path, compiled: &str) -> Result<Self, Error> {
        let mut folders = Vec::new();
        for folder in entries(&dir.join("functions"))? {
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            folders.push((name, text_of_all(&folder)?));
        }
        let topics = topics::function(&text(&dir.join("topics.txt"))?, &folders)?;
        let of = |wanted: bool| {
            let chosen = folders.iter().filter(|(name, _)| (name == CHECKS) == wanted);
            chosen.map(|(_, sql)| sql.as_str()).collect::<String>()
        };
        let (checks, functions) = (of(true), [compiled, &of(false), &topics].concat());
        Ok(Self {
            begin: text(&dir.join("begin.sql"))?,
            checks,
            tables: text_of_all(&dir.join("tables"))?,
            functions,
            views: text_of_all(&dir.join("views"))?,
            grants: text(&dir.join("grants.sql"))?,
            before_update: text(&dir.join("upgrade/before.sql"))?,
            after_update: text(&dir.join("upgrade/after.sql"))?,
            steps: steps(&dir.join("upgrade"))?,
        })
    }

    fn scripts(&self, version: &str) -> Result<Scripts, Error> {
        // Without "or replace", so that nothing that is there already is adopted.
        let created = |text: &str| text.replace("\ncreate or replace ", "\ncreate ");
        let install = [
            &self.begin,
            &created(&self.checks),
            &self.tables,
            &created(&self.functions),
            &created(&self.views),
            &self.grants,
        ];
        let mut updates = Vec::new();
        for (from, _, _) in &self.steps {
            updates.push((from.clone(), self.update(from, version)?));
        }
        Ok(Scripts { install: install.map(String::as_str).concat(), updates })
    }

    /// From one released version straight to this one: the steps in their order, then every function once.
    fn update(&self, from: &str, version: &str) -> Result<String, Error> {
        let mut script = self.before_update.clone();
        let mut at = from;
        while at != version {
            let (_, to, step) =
                self.steps.iter().find(|(from, _, _)| from == at).ok_or_else(|| {
                    Error::new(format!("no step in sql/upgrade/ leads from {at} to {version}"))
                })?;
            script += step;
            at = to;
        }
        script += FUNCTIONS;
        for part in [&self.checks, &self.functions, &self.views, &self.grants, &self.after_update] {
            script += part;
        }
        Ok(script)
    }
}

/// The steps between versions, in the order of the versions they start from.
fn steps(dir: &Path) -> Result<Vec<(String, String, String)>, Error> {
    let mut steps = Vec::new();
    for path in entries(dir)? {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if let Some((from, to)) = name.split_once("--") {
            steps.push((from.to_owned(), to.to_owned(), text(&path)?));
        }
    }
    Ok(steps)
}

/// What is in a folder, by name.
fn entries(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let reading = || format!("cannot read {}", dir.display());
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).context(reading)? {
        paths.push(entry.context(reading)?.path());
    }
    paths.sort();
    Ok(paths)
}

fn text_of_all(dir: &Path) -> Result<String, Error> {
    entries(dir)?.iter().map(|path| text(path)).collect()
}

/// A file's text, after an empty line.
fn text(path: &Path) -> Result<String, Error> {
    let text = fs::read_to_string(path).context(|| format!("cannot read {}", path.display()))?;
    Ok(format!("\n{text}"))
}

/// The functions that pgrx generates, in the order of their names and as "create or replace".
fn compiled_functions(library: &[u8], control: &str, version: &str) -> Result<String, Error> {
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
    let mut functions: Vec<_> = script.split("\nCREATE  FUNCTION ").skip(1).map(function).collect();
    functions.sort();
    Ok(functions.concat())
}

/// One function of the script that pgrx makes, from its name to the end of the statement.
fn function(rest: &str) -> String {
    let statement = rest.split_once(";\n").map_or(rest, |(statement, _)| statement);
    let lines = statement.lines().map(|line| line.trim_end().replace('\t', "    "));
    format!("\ncreate or replace function {};\n", lines.collect::<Vec<_>>().join("\n"))
}
