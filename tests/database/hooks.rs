//! Functions of the application that functions of ours call.

mod intact;
mod limits;
mod owners;
mod silence;
mod world;
