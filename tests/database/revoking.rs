//! Tokens that are ended before they expire: for every authenticate that starts after the commit, whoever made them.

mod callers;
mod crashes;
mod derived;
mod everywhere;
mod purging;
mod races;
mod removing;
mod snapshots;
mod times;
mod waiting;
mod world;
