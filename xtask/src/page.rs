//! `examples/page`, beside the files of nginx that serves it.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use crate::error::{Context, Error};
use crate::installation::Installation;
use crate::orms::Orms;
use crate::project;

/// What of the example is served.
const FILES: &[&str] = &["index.html", "page.css", "page.js", "panel.js"];

/// The page that shows two tenants side by side.
pub struct Page;

impl Page {
    /// The directory with nginx's rules for the paths of the page.
    pub fn rules() -> PathBuf {
        dir()
    }

    /// Puts the page, supabase-js and the publishable key that it sends into `page` of nginx's directory.
    pub fn put(installation: &Installation, nginx_dir: &Path, key: &str) -> Result<(), Error> {
        let user = installation.server_user();
        let page = nginx_dir.join("page");
        user.create_dir(&page)?;
        let library = Orms::prepare()?.supabase_js();
        for from in FILES.iter().map(|name| dir().join(name)).chain([library]) {
            let copy = || format!("cannot copy {}", from.display());
            let to = page.join(from.file_name().unwrap_or_default());
            fs::copy(&from, &to).context(copy)?;
            chown(&to, Some(user.uid()), Some(user.gid())).context(copy)?;
        }
        let project = page.join("project.json");
        let doing = || format!("cannot write {}", project.display());
        fs::write(&project, format!("{{\"key\": \"{key}\", \"schema\": \"api\"}}\n")).context(doing)?;
        chown(&project, Some(user.uid()), Some(user.gid())).context(doing)
    }
}

fn dir() -> PathBuf {
    project::root().join("examples/page")
}
