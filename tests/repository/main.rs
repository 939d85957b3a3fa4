//! Rules of the repository itself.
