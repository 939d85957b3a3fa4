//! The files of the repository, and what of a Rust file a rule looks at.

use std::fs;
use std::path::{Path, PathBuf};

/// A file, named as the repository names it.
#[derive(Clone)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    pub(crate) fn new(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    /// Is it below this folder, or this very file?
    pub(crate) fn is_in(&self, place: &str) -> bool {
        self.path == place || self.path.strip_prefix(place).is_some_and(|rest| rest.starts_with('/'))
    }

    pub(crate) fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|found| found == extension)
    }

    /// The numbered lines of a Rust file without its comments.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(index, line)| (index + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// The same without what is compiled for tests alone.
    pub(crate) fn production(&self) -> impl Iterator<Item = (usize, &str)> {
        let for_tests = self.path.contains("/tests/") || self.path.ends_with("/tests.rs");
        // rustfmt ends an item with a brace as far in as its attribute is, or with a semicolon.
        let mut end: Option<String> = None;
        self.code().filter(move |(_, line)| {
            if for_tests {
                return false;
            }
            if let Some(closing) = &end {
                let margin = closing.len() - 1;
                let as_far_in = line.len() - line.trim_start().len() == margin;
                if as_far_in && (line.trim_end() == closing || line.ends_with(';')) {
                    end = None;
                }
                return false;
            }
            if line.trim() == "#[cfg(test)]" {
                end = Some(line.replace("#[cfg(test)]", "}"));
                return false;
            }
            true
        })
    }
}

/// The folder that holds everything.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Every file but what is built and what belongs to git.
pub(crate) fn all() -> Vec<File> {
    let mut files = Vec::new();
    collect(root(), &mut files);
    assert!(files.len() > 80, "only {} files in {}", files.len(), root().display());
    files
}

/// The text of one file.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn collect(dir: &Path, files: &mut Vec<File>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        // A file in a second working tree.
        if name == ".git" {
            continue;
        }
        if path.is_dir() {
            if !["target", "fuzz/target"].contains(&name.as_str()) && !name.ends_with("__pycache__") {
                collect(&path, files);
            }
        } else if let Ok(bytes) = fs::read(&path) {
            files.push(File::new(&name, &String::from_utf8_lossy(&bytes)));
        }
    }
}
