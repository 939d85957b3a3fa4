//! Builds, installs, runs and tests pg_bearer. The tests use the same private PostgreSQL as `make demo`.

mod bench;
mod cli;
mod demo;
mod demo_http;
mod dependencies;
mod error;
mod extension;
mod http_example;
mod install;
mod installation;
mod orms;
mod page;
mod pg_config;
mod postgres_tests;
mod process;
mod project;
mod run_dir;
mod schema;
mod server;
mod server_user;
mod test;
mod test_all;
mod topics;
mod virtual_env;
mod watcher;

pub use cli::run;
pub use error::Error;
pub use http_example::HttpExample;
pub use installation::Installation;
pub use orms::Orms;
pub use page::Page;
pub use process::find_server;
pub use server::Server;
