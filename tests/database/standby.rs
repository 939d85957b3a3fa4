//! A hot standby, which can write nothing, and a primary on which nothing is written.
