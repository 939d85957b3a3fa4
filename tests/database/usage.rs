//! Uses of API keys are counted and limited in shared memory, and recorded by a background worker.

mod limits;
mod recording;
mod touch;
pub(crate) mod world;
