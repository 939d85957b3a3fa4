//! From every released version to this one: the scripts in tests/upgrade/released/ are what CREATE EXTENSION ran
//! then, and never change again.

mod data;
mod foreign;
mod grants;
mod hostile;
mod moves;
mod old_schema;
mod replaceable;
mod retired;
mod row_types;
mod same;
mod scripts;
mod users;

pub(super) use scripts::{before, install, released, update, update_from, update_once_more};
